export function LiveView(_: { station: string; camera: string }) { return null; }

export { bestElement, createPlayer } from "./player.ts";
export type { Player, PlayerOptions, PlayerState } from "./player.ts";

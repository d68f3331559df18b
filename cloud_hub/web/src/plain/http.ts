/** fetch for JSON with the hub's problem documents (RFC 9457) as errors. */

export class Problem extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.name = "Problem";
    this.status = status;
  }
}

/** Status 0 means: no answer, so the network or the other side is down. */
export async function request(method: string, path: string, body?: unknown): Promise<Response> {
  const init: RequestInit = { method, credentials: "same-origin" };
  if (body instanceof Blob) {
    init.body = body;
    init.headers = { "Content-Type": body.type };
  } else if (body !== undefined) {
    init.body = JSON.stringify(body);
    init.headers = { "Content-Type": "application/json" };
  }
  let response: Response;
  try {
    response = await fetch(path, init);
  } catch (error) {
    throw new Problem(0, String(error));
  }
  if (!response.ok) throw new Problem(response.status, await problemText(response));
  return response;
}

export async function getJson<T>(path: string): Promise<T> {
  return (await (await request("GET", path)).json()) as T;
}

export async function postJson<T>(path: string, body?: unknown): Promise<T> {
  const response = await request("POST", path, body ?? {});
  const text = await response.text();
  return (text === "" ? undefined : JSON.parse(text)) as T;
}

async function problemText(response: Response): Promise<string> {
  try {
    const problem = (await response.json()) as { title?: string; detail?: string };
    return problem.detail || problem.title || response.statusText;
  } catch {
    return response.statusText;
  }
}

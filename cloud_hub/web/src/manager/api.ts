/** Every question to the hub as a query with its key; answers are unwrapped, problems become `Problem`. */
import { infiniteQueryOptions, QueryClient, queryOptions } from "@tanstack/react-query";
import * as hub from "../client";
import { Problem } from "../plain/http.ts";

export * from "../client/types.gen";
export type TimelineItem = hub.Timeline["items"][number];
export { Problem };

interface Outcome<T> {
  data?: T;
  error?: unknown;
  response?: Response;
}

/** The answer's data, or a Problem whose message is the hub's sentence. Status 0: no answer at all. */
export async function unwrap<T>(call: Promise<Outcome<T>>): Promise<T> {
  const { data, error, response } = await call;
  if (response === undefined) throw new Problem(0, String(error));
  if (!response.ok) {
    const body = (typeof error === "object" && error !== null ? error : {}) as { detail?: unknown; title?: unknown };
    throw new Problem(response.status, String(body.detail ?? body.title ?? response.statusText));
  }
  return data as T;
}

const SECOND = 1000;

export const sessionQuery = queryOptions({
  queryKey: ["session"],
  queryFn: async () => {
    try {
      return await unwrap(hub.getSession());
    } catch (error) {
      if (error instanceof Problem && error.status === 401) return null;
      throw error;
    }
  },
  staleTime: Number.POSITIVE_INFINITY,
});

export const stationsQuery = queryOptions({
  queryKey: ["stations"],
  queryFn: () => unwrap(hub.listStations()),
});

export const stationQuery = (station: string) =>
  queryOptions({ queryKey: ["station", station], queryFn: () => unwrap(hub.getStation({ path: { station } })) });

export const readingsQuery = (station: string) =>
  queryOptions({
    queryKey: ["readings", station],
    queryFn: () => unwrap(hub.getReadings({ path: { station }, query: { hours: 24 } })),
    refetchInterval: 300 * SECOND, // new values come by the live stream; this lets old ones leave
  });

export const latestQuery = (station: string) =>
  queryOptions({ queryKey: ["latest", station], queryFn: () => unwrap(hub.getLatestReadings({ path: { station } })) });

export const ALL = "";

/** The timeline of a station, or of all (`ALL`). */
export const eventsQuery = (station: string) =>
  infiniteQueryOptions({
    queryKey: ["events", station],
    queryFn: ({ pageParam }) => {
      const query = { limit: 30, before: pageParam };
      return unwrap(station === ALL ? hub.listEvents({ query }) : hub.listStationEvents({ path: { station }, query }));
    },
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next ?? undefined,
  });

export const commandsQuery = (station: string) =>
  queryOptions({
    queryKey: ["commands", station],
    queryFn: () => unwrap(hub.listStationCommands({ path: { station }, query: { limit: 50 } })),
  });

/** Asked again soon while the station still runs older ones. */
export const rulesQuery = (station: string) =>
  queryOptions({
    queryKey: ["rules", station],
    queryFn: () => unwrap(hub.getRules({ path: { station } })),
    refetchInterval: ({ state: { data } }) => (data && (data.running ?? 0) < data.version ? SECOND : 15 * SECOND),
  });

export const accessCodesQuery = (station: string) =>
  queryOptions({ queryKey: ["codes", station], queryFn: () => unwrap(hub.listAccessCodes({ path: { station } })) });

export const identityQuery = (station: string) =>
  queryOptions({ queryKey: ["identity", station], queryFn: () => unwrap(hub.getIdentity({ path: { station } })) });

const FINAL: ReadonlySet<string> = new Set<hub.CommandStatus>(["done", "refused", "expired", "failed"]);
export const isFinal = (command: hub.Command | undefined) => command !== undefined && FINAL.has(command.status);

/** Waits for a second person. */
export const isUnconfirmed = ({ status, confirm_until, confirmer }: hub.Command) =>
  status === "queued" && confirm_until !== null && confirmer === null;

/** One command until it is settled: the live stream tells, and a slow question makes sure. */
export const commandQuery = (command: string) =>
  queryOptions({
    queryKey: ["command", command],
    queryFn: () => unwrap(hub.getCommand({ path: { command } })),
    refetchInterval: (query) => (isFinal(query.state.data) ? false : 2 * SECOND),
  });

export const membersQuery = (text: string) =>
  infiniteQueryOptions({
    queryKey: ["members", text],
    queryFn: ({ pageParam }) => unwrap(hub.listMembers({ query: { query: text, limit: 50, cursor: pageParam } })),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next ?? undefined,
  });

export const logIn = (user: string, password: string) => unwrap(hub.openSession({ body: { user, password } }));
export const logOut = () => unwrap(hub.closeSession());
export const sendCommand = (station: string, body: hub.NewCommand) => unwrap(hub.sendCommand({ path: { station }, body }));
export const addMember = (body: hub.NewMember) => unwrap(hub.addMember({ body }));
export const changeMember = (member: string, body: hub.MemberChange) => unwrap(hub.changeMember({ path: { member }, body }));
export const faceData = (member: string) => unwrap(hub.getFaceData({ path: { member } }));
export const eraseFace = (member: string) => unwrap(hub.eraseFace({ path: { member } }));
export const phoneTicket = (member: string) => unwrap(hub.issuePhoneTicket({ path: { member } }));

export const confirmCommand = (command: string) => unwrap(hub.confirmCommand({ path: { command } }));
export const putRules = (station: string, body: hub.RulesChange) => unwrap(hub.putRules({ path: { station }, body }));
export const setCold = (station: string, body: hub.ColdChange) => unwrap(hub.setCold({ path: { station }, body }));
export const setLockdown = (station: string, body: hub.LockdownChange) => unwrap(hub.setLockdown({ path: { station }, body }));
export const giveGuestCode = (station: string, body: hub.NewGuestCode) => unwrap(hub.giveGuestCode({ path: { station }, body }));
export const givePin = (station: string, body: hub.NewPinWritable) => unwrap(hub.givePin({ path: { station }, body }));
export const registerCard = (station: string, body: hub.NewCard) => unwrap(hub.registerCard({ path: { station }, body }));
export const revokeAccessCode = (station: string, code: string, reason: string) =>
  unwrap(hub.revokeAccessCode({ path: { station, code }, body: { reason } }));

export const addStationFile = (body: hub.NewStationFile) => unwrap(hub.addStationFile({ body }));
export const addClaim = (station: string, body: hub.NewClaim) => unwrap(hub.addClaim({ path: { station }, body }));
export const revokeStation = (station: string, reason: string) => unwrap(hub.revokeStation({ path: { station }, body: { reason } }));

export const cameraPicture = (station: string, camera: string): Promise<Blob> =>
  unwrap(hub.cameraPicture({ path: { station, camera }, parseAs: "blob" }) as Promise<Outcome<Blob>>);
export const watchCamera = (station: string, camera: string) => unwrap(hub.watchCamera({ path: { station, camera } }));

/** Somebody logs in or out: nothing that another user saw stays. */
export function beginSession(client: QueryClient, user: hub.User | null): void {
  client.removeQueries({ predicate: (query) => query.queryKey[0] !== "session" });
  client.setQueryData(["session"], user);
}

export function newQueryClient(): QueryClient {
  const client: QueryClient = new QueryClient({
    defaultOptions: {
      queries: {
        staleTime: 30 * SECOND,
        refetchOnWindowFocus: false, // the live stream asks again when the page is seen again
        retry: (failures, error) => failures < 2 && !(error instanceof Problem && error.status >= 400 && error.status < 500),
      },
    },
  });
  // Any 401 after the log-in means that the session has ended: the log-in page comes by itself.
  client.getQueryCache().subscribe((event) => {
    if (event.type !== "updated" || event.action.type !== "error") return;
    if (event.action.error instanceof Problem && event.action.error.status === 401) client.setQueryData(["session"], null);
  });
  return client;
}

/** What the phone keeps: the member, the key's handle and its certificate (IndexedDB, one record). */

export interface Kept {
  member: string;
  name: string;
  occupation: string;
  keys: CryptoKeyPair;
  kid: number;
  certificate: Uint8Array;
  notAfter: string; // ISO
  clockOffsetMs: number; // hub's clock minus the phone's, as last seen
}

const DATABASE = "yizhan-member";
const STORE = "phone";
const ONLY = "holder";

export async function loadKept(): Promise<Kept | null> {
  return ((await inStore("readonly", (store) => store.get(ONLY))) as Kept | undefined) ?? null;
}

export async function keep(kept: Kept): Promise<void> {
  await inStore("readwrite", (store) => store.put(kept, ONLY));
}

export async function forget(): Promise<void> {
  await inStore("readwrite", (store) => store.delete(ONLY));
}

async function inStore(mode: IDBTransactionMode, act: (store: IDBObjectStore) => IDBRequest): Promise<unknown> {
  const database = await settled(opened());
  try {
    return await settled(act(database.transaction(STORE, mode).objectStore(STORE)));
  } finally {
    database.close();
  }
}

function opened(): IDBOpenDBRequest {
  const request = indexedDB.open(DATABASE, 1);
  request.addEventListener("upgradeneeded", () => request.result.createObjectStore(STORE));
  return request;
}

function settled<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.addEventListener("success", () => resolve(request.result));
    request.addEventListener("error", () => reject(request.error ?? new Error("IndexedDB refused")));
  });
}

/**
 * Keeps the worker's page when the phone is offline: the page itself from the network where there is one,
 * else the copy; its hashed assets from the copy. Nothing of the API is kept.
 */
const CACHE = "yizhan-m-1";
const PAGE = "/m";

self.addEventListener("install", (event) => event.waitUntil(store().then(() => self.skipWaiting())));
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

async function store() {
  const response = await fetch(PAGE, { cache: "no-store" });
  if (!response.ok) throw new Error(`${PAGE} answered ${response.status}`);
  const html = await response.clone().text();
  const assets = [...html.matchAll(/(?:src|href)="(\/[^"]+)"/g)].map((match) => match[1]);
  const cache = await caches.open(CACHE);
  await cache.addAll(assets);
  await cache.put(PAGE, response);
  const wanted = new Set([PAGE, ...assets]);
  for (const request of await cache.keys()) {
    if (!wanted.has(new URL(request.url).pathname)) await cache.delete(request);
  }
}

self.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  if (event.request.method !== "GET" || url.origin !== self.location.origin) return;
  if (url.pathname === PAGE) event.respondWith(page(event));
  else if (url.pathname.startsWith("/assets/") || url.pathname === "/favicon.svg") event.respondWith(asset(event.request));
});

async function page(event) {
  try {
    const response = await fetch(event.request);
    if (response.ok) event.waitUntil(store().catch(() => undefined)); // a newer build: keep it and its assets
    return response;
  } catch {
    return (await caches.match(PAGE)) ?? Response.error();
  }
}

async function asset(request) {
  return (await caches.match(request)) ?? fetch(request);
}

/** The addresses of the manager's page. A station's page brings charts and video: it loads when first opened. */
import { createRootRoute, createRoute, createRouter, lazyRouteComponent } from "@tanstack/react-router";
import { Broken, NotFound } from "./parts/notices.tsx";
import { Shell } from "./shell.tsx";

const root = createRootRoute({ component: Shell, notFoundComponent: NotFound, errorComponent: Broken });

const overview = createRoute({
  getParentRoute: () => root,
  path: "/",
  component: lazyRouteComponent(() => import("./pages/overview.tsx"), "OverviewPage"),
});

export const stationRoute = createRoute({
  getParentRoute: () => root,
  path: "/stations/$station",
  component: lazyRouteComponent(() => import("./pages/station.tsx"), "StationPage"),
});

export const rulesRoute = createRoute({
  getParentRoute: () => root,
  path: "/stations/$station/rules",
  component: lazyRouteComponent(() => import("./pages/rules.tsx"), "RulesPage"),
});

export const identityRoute = createRoute({
  getParentRoute: () => root,
  path: "/stations/$station/identity",
  component: lazyRouteComponent(() => import("./pages/identity.tsx"), "IdentityPage"),
});

const addStation = createRoute({
  getParentRoute: () => root,
  path: "/add-station",
  component: lazyRouteComponent(() => import("./pages/add_station.tsx"), "AddStationPage"),
});

const activity = createRoute({
  getParentRoute: () => root,
  path: "/activity",
  component: lazyRouteComponent(() => import("./pages/activity.tsx"), "ActivityPage"),
});

const members = createRoute({
  getParentRoute: () => root,
  path: "/members",
  component: lazyRouteComponent(() => import("./pages/members.tsx"), "MembersPage"),
});

export const router = createRouter({
  routeTree: root.addChildren([overview, stationRoute, rulesRoute, identityRoute, addStation, activity, members]),
  defaultPreload: "intent",
  scrollRestoration: true,
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}

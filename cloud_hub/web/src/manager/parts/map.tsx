/**
 * Where the stations are, on a schematic city: rings and spokes around the stations' middle, no tiles, no borders.
 * WGS-84 as stored; a real map is the operator's to bring.
 */
import L from "leaflet";
import "leaflet/dist/leaflet.css";
import { useNavigate } from "@tanstack/react-router";
import { useEffect, useRef } from "react";
import { useTranslation } from "react-i18next";
import type { Station } from "../api.ts";

const SPOKES = 12;
const RINGS = [0.35, 0.7, 1.1, 1.6, 2.3, 3.2];
const PIN_HEIGHT_PX = 56;
const REACH_MIN_M = 2500; // one station alone still gets a city around it
const METRES_PER_DEGREE = 111_320;

export function StationMap({ stations }: { stations: Station[] }) {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const element = useRef<HTMLDivElement>(null);
  const map = useRef<L.Map | null>(null);
  const markers = useRef(new Map<string, L.Marker>());
  const places = stations.map(({ id, place }) => `${id}:${place.latitude},${place.longitude}`).join("|");

  useEffect(() => {
    if (element.current === null || stations.length === 0) return undefined;
    const bounds = L.latLngBounds(stations.map(({ place }) => [place.latitude, place.longitude]));
    const drawn = L.map(element.current, { zoomControl: false, attributionControl: false, zoomSnap: 0.25, scrollWheelZoom: false });
    L.control.zoom({ position: "bottomright" }).addTo(drawn);
    const reach = Math.max(REACH_MIN_M, bounds.getNorthEast().distanceTo(bounds.getSouthWest()));
    drawn.fitBounds(bounds.getCenter().toBounds(reach * 1.4), { paddingTopLeft: [0, PIN_HEIGHT_PX] });
    schematicCity(bounds.getCenter(), reach).addTo(drawn);
    const shown = markers.current;
    map.current = drawn;
    const watch = new ResizeObserver(() => drawn.invalidateSize({ pan: false }));
    watch.observe(element.current);
    return () => {
      watch.disconnect();
      drawn.remove();
      map.current = null;
      shown.clear();
    };
    // Only other places draw another map; states change its markers alone.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [places]);

  useEffect(() => {
    if (map.current === null) return;
    for (const station of stations) {
      const said = station.online ? `${t("station.online")} · ${t(`door.${station.door}`)}` : t("station.offline");
      const shown = markers.current.get(station.id) ?? placed(station, map.current);
      markers.current.set(station.id, shown);
      // The element stays, and with it the keyboard's focus; only what it says changes.
      shown.getElement()?.setAttribute("aria-label", `${station.name}, ${said}`);
      shown.getElement()?.replaceChildren(pin(station, said));
    }
    function placed(station: Station, on: L.Map): L.Marker {
      const icon = L.divIcon({ className: "pin", iconSize: [0, 0] });
      const marker = L.marker([station.place.latitude, station.place.longitude], { icon }).addTo(on);
      const open = () => void navigate({ to: "/stations/$station", params: { station: station.id } });
      marker.on("click", open);
      marker.getElement()?.addEventListener("keydown", (event) => event.key === "Enter" && open());
      return marker;
    }
  }, [stations, t, navigate, places]);

  return (
    <div className="map-box">
      <div ref={element} className="map" role="application" aria-label={t("overview.map")} />
      <span className="map-note">{t("overview.schematic")}</span>
    </div>
  );
}

function pin(station: Station, said: string): HTMLElement {
  const box = document.createElement("div");
  const tone = !station.online ? "bad" : station.alarms_open > 0 ? "warn" : "good";
  box.className = `pin-box ${tone}`;
  const name = document.createElement("b");
  name.textContent = station.name;
  const state = document.createElement("span");
  state.textContent = said;
  box.append(name, state);
  return box;
}

function schematicCity(middle: L.LatLng, reach: number): L.LayerGroup {
  const group = L.layerGroup();
  const line = { interactive: false, color: "#dccfc4", weight: 2, fill: false };
  const at = (metres: number, angle: number) =>
    L.latLng(
      middle.lat + (metres * Math.cos(angle)) / METRES_PER_DEGREE,
      middle.lng + (metres * Math.sin(angle)) / (METRES_PER_DEGREE * Math.cos((middle.lat * Math.PI) / 180)),
    );
  for (const [i, ring] of RINGS.entries()) {
    group.addLayer(L.circle(middle, { ...line, radius: (ring * reach) / 2, weight: i % 2 === 0 ? 6 : 2 }));
  }
  for (let spoke = 0; spoke < SPOKES; spoke += 1) {
    const angle = (2 * Math.PI * spoke) / SPOKES + 0.2;
    const wide = spoke % 3 === 0;
    group.addLayer(L.polyline([at(wide ? 0 : reach * 0.18, angle), at(reach * 1.7, angle)], { ...line, weight: wide ? 6 : 2 }));
  }
  const river = [-1.7, -1, -0.5, 0, 0.5, 1, 1.7].map((x, i) => {
    const bend = [0.35, 0.5, 0.28, 0.42, 0.3, 0.55, 0.4][i] ?? 0;
    return at(Math.hypot(x, bend) * reach, Math.atan2(x, bend));
  });
  group.addLayer(L.polyline(river, { interactive: false, color: "#cfe0ea", weight: 16, smoothFactor: 4, lineJoin: "round" }));
  return group;
}

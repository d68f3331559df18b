/** The 24 h chart: temperature left, humidity right. Only what it uses of ECharts is bundled. */
import { LineChart } from "echarts/charts";
import { AriaComponent, GridComponent, LegendComponent, TooltipComponent } from "echarts/components";
import * as echarts from "echarts/core";
import { CanvasRenderer } from "echarts/renderers";
import { useEffect, useRef } from "react";
import { useTranslation } from "react-i18next";
import type { Series } from "../api.ts";
import { COLOURS } from "../theme.ts";

echarts.use([LineChart, GridComponent, TooltipComponent, LegendComponent, AriaComponent, CanvasRenderer]);

const SPAN_MIN_MS = 3_600_000; // a new station shows an hour, not its first seconds

interface Props {
  temperature: Series | undefined;
  humidity: Series | undefined;
}

export function ComfortChart({ temperature, humidity }: Props) {
  const { t } = useTranslation();
  const element = useRef<HTMLDivElement>(null);
  const chart = useRef<echarts.ECharts | null>(null);

  useEffect(() => {
    if (element.current === null) return undefined;
    const drawn = echarts.init(element.current);
    chart.current = drawn;
    const watch = new ResizeObserver(() => drawn.resize());
    watch.observe(element.current);
    return () => {
      watch.disconnect();
      drawn.dispose();
    };
  }, []);

  useEffect(() => {
    chart.current?.setOption({
      animation: false,
      aria: { enabled: true },
      grid: { left: 44, right: 44, top: 34, bottom: 26 },
      legend: { top: 0, textStyle: { color: COLOURS.dim } },
      tooltip: { trigger: "axis" },
      xAxis: { type: "time", min: ({ min, max }: { min: number; max: number }) => Math.min(min, max - SPAN_MIN_MS), axisLine: { onZero: false }, axisLabel: { color: COLOURS.dim, hideOverlap: true }, splitNumber: 5 },
      yAxis: [
        { type: "value", name: "°C", scale: true, minInterval: 1, axisLabel: { color: COLOURS.dim }, nameTextStyle: { color: COLOURS.dim } },
        { type: "value", name: "%", min: 0, max: 100, splitLine: { show: false }, axisLabel: { color: COLOURS.dim }, nameTextStyle: { color: COLOURS.dim } },
      ],
      series: [
        line(t("station.temperature"), temperature, 0, COLOURS.orange, 2.5),
        line(t("station.humidity"), humidity, 1, COLOURS.blue, 1.5),
      ],
    });
  }, [t, temperature, humidity]);

  return <div ref={element} className="chart" role="img" aria-label={t("station.comfort")} />;
}

/** A missing value is a gap in the line, never a zero. */
function line(name: string, series: Series | undefined, yAxisIndex: number, colour: string, width: number) {
  const data = (series?.points ?? []).map(([at, value]) => [at, typeof value === "number" ? value : null]);
  return {
    name,
    type: "line",
    yAxisIndex,
    data,
    showSymbol: data.length < 3,
    connectNulls: false,
    itemStyle: { color: colour },
    lineStyle: { width },
    sampling: "lttb",
  };
}

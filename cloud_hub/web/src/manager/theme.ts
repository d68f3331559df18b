/** Orange of the stations; success and secondary text darker than antd's, which fail WCAG AA on white. */
import type { ThemeConfig } from "antd";

export const theme: ThemeConfig = {
  token: {
    motion: !matchMedia("(prefers-reduced-motion: reduce)").matches,
    colorPrimary: "#b8460a",
    colorInfo: "#b8460a",
    colorLink: "#a33c05",
    colorSuccess: "#1d6b34",
    colorWarning: "#8a4b00",
    colorError: "#a8161b",
    // antd derives these from the darker tokens above, and they come out muddy.
    colorSuccessBg: "#eef8f0",
    colorSuccessBorder: "#a9d5b4",
    colorWarningBg: "#fff6e5",
    colorWarningBorder: "#ecd09a",
    colorErrorBg: "#fdf0f0",
    colorErrorBorder: "#ecb4b6",
    colorInfoBg: "#fdf3ec",
    colorInfoBorder: "#efc7ab",
    colorText: "#1f1a17",
    colorTextSecondary: "#5f554e",
    colorTextTertiary: "#6b6159",
    colorTextDescription: "#5f554e",
    colorTextPlaceholder: "#756b63",
    colorBgLayout: "#f6f3f0",
    borderRadius: 8,
    borderRadiusLG: 12,
    fontFamily: 'system-ui, -apple-system, "PingFang SC", "Noto Sans CJK SC", "Microsoft YaHei", sans-serif',
    controlHeight: 36,
  },
};

/** The same colours for charts and drawings. */
export const COLOURS = { orange: "#d4550b", blue: "#2f6f9f", good: "#1d6b34", warn: "#8a4b00", bad: "#a8161b", dim: "#5f554e" };

/** The manager's page. */
import { StyleProvider } from "@ant-design/cssinjs";
import { QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { App as AntApp, ConfigProvider } from "antd";
import enUS from "antd/locale/en_US";
import zhCN from "antd/locale/zh_CN";
import { StrictMode, useState } from "react";
import { createRoot } from "react-dom/client";
import { useTranslation } from "react-i18next";
import { newQueryClient } from "./api.ts";
import { startLanguage } from "./i18n/index.ts";
import "./manager.css";
import { router } from "./router.tsx";
import { theme } from "./theme.ts";

function Manager() {
  const { i18n } = useTranslation();
  const [client] = useState(newQueryClient);
  return (
    <ConfigProvider locale={i18n.language === "en" ? enUS : zhCN} theme={theme} button={{ autoInsertSpace: false }}>
      {/* hashPriority: without :where(), which Chrome 87 does not know */}
      <StyleProvider hashPriority="high">
        <AntApp>
          <QueryClientProvider client={client}>
            <RouterProvider router={router} />
          </QueryClientProvider>
        </AntApp>
      </StyleProvider>
    </ConfigProvider>
  );
}

startLanguage();
createRoot(document.querySelector("#root")!).render(
  <StrictMode>
    <Manager />
  </StrictMode>,
);

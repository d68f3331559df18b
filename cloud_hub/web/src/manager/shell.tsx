/** The frame of every page: brand, navigation (at the bottom on a phone), language, who is logged in. */
import { HomeOutlined, LogoutOutlined, TeamOutlined, UnorderedListOutlined } from "@ant-design/icons";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, Outlet } from "@tanstack/react-router";
import { Button, Skeleton, Tooltip } from "antd";
import { useTranslation } from "react-i18next";
import { beginSession, logOut, sessionQuery, type User } from "./api.ts";
import { switchLanguage } from "./i18n/index.ts";
import { useLive } from "./live.ts";
import { Failed } from "./parts/notices.tsx";
import { Dot } from "./parts/status.tsx";
import { CurrentUser, LogInPage } from "./session.tsx";

export function Shell() {
  const session = useQuery(sessionQuery);
  if (session.data) return <Frame user={session.data} />;
  if (session.data === null) return <LogInPage />;
  if (session.error) return <Failed error={session.error} retry={() => void session.refetch()} />;
  return <Skeleton active className="page" />;
}

function Frame({ user }: { user: User }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const up = useLive();
  const leaving = useMutation({
    mutationFn: logOut,
    onSettled: () => beginSession(client, null),
  });
  return (
    <CurrentUser.Provider value={user}>
      <a className="skip" href="#content">
        {t("nav.skip")}
      </a>
      <header className="top">
        <Link to="/" className="brand">
          <img src="/favicon.svg" alt="" width={34} height={34} />
          <span>
            <b>{t("brand")}</b>
            <small>{t("tagline")}</small>
          </span>
        </Link>
        <nav aria-label={t("nav.main")}>
          <Link to="/" activeOptions={{ exact: true }}>
            <HomeOutlined aria-hidden /> {t("nav.overview")}
          </Link>
          <Link to="/activity">
            <UnorderedListOutlined aria-hidden /> {t("nav.activity")}
          </Link>
          <Link to="/members">
            <TeamOutlined aria-hidden /> {t("nav.members")}
          </Link>
        </nav>
        <div className="tools">
          <Tooltip title={up ? undefined : t("live.offHint")}>
            <span role="status">
              <Dot tone={up ? "good" : "warn"}>{t(up ? "live.on" : "live.off")}</Dot>
            </span>
          </Tooltip>
          <Button onClick={switchLanguage}>{t("language")}</Button>
          <span className="who">
            {user.name || user.user} <span className="dim">{t(`session.role.${user.role}`)}</span>
          </span>
          <Tooltip title={t("session.leave")}>
            <Button icon={<LogoutOutlined />} aria-label={t("session.leave")} onClick={() => leaving.mutate()} />
          </Tooltip>
        </div>
      </header>
      <main id="content" className="page" tabIndex={-1}>
        <Outlet />
      </main>
    </CurrentUser.Provider>
  );
}

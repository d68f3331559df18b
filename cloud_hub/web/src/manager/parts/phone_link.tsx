/** The one-time link that makes a member's own phone show their code. */
import { useQuery } from "@tanstack/react-query";
import { Alert, Button, Modal, Skeleton } from "antd";
import { useEffect, useMemo, useState } from "react";
import { useTranslation } from "react-i18next";
import { encode } from "uqr";
import { type Member, phoneTicket } from "../api.ts";
import { Failed } from "./notices.tsx";

export function PhoneLink({ member, close }: { member: Member; close: () => void }) {
  const { t } = useTranslation();
  const query = useQuery({ queryKey: ["ticket", member.id], queryFn: () => phoneTicket(member.id), gcTime: 0, staleTime: 60_000 });
  return (
    <Modal open title={t("phone.title", { name: member.name })} onCancel={close} footer={null}>
      {query.data && <Link key={query.data.url} path={query.data.url} expiresAt={query.data.expires_at} renew={() => void query.refetch()} />}
      {!query.data && (query.error ? <Failed error={query.error} retry={() => void query.refetch()} /> : <Skeleton active />)}
    </Modal>
  );
}

function Link({ path, expiresAt, renew }: { path: string; expiresAt: string; renew: () => void }) {
  const { t } = useTranslation();
  const left = useSecondsUntil(expiresAt);
  const url = new URL(path, location.href).href;
  if (left <= 0) {
    return <Alert type="info" showIcon title={t("phone.expired")} action={<Button onClick={renew}>{t("phone.renew")}</Button>} />;
  }
  return (
    <div className="phone-link">
      <p>{t("phone.hint")}</p>
      <Qr text={url} label={url} />
      <p className="dim">{t("phone.left", { count: left })}</p>
      <Button href={url} target="_blank" rel="noreferrer">
        {t("phone.open")}
      </Button>
    </div>
  );
}

function useSecondsUntil(iso: string): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = window.setInterval(() => setNow(Date.now()), 500);
    return () => window.clearInterval(timer);
  }, []);
  return Math.ceil((Date.parse(iso) - now) / 1000);
}

export function Qr({ text, label }: { text: string; label: string }) {
  const { path, size } = useMemo(() => {
    const { data, size: modules } = encode(text, { ecc: "M", border: 4 });
    const cells = data.flatMap((row, y) => row.map((dark, x) => (dark ? `M${x} ${y}h1v1h-1z` : "")));
    return { path: cells.join(""), size: modules };
  }, [text]);
  return (
    <svg viewBox={`0 0 ${size} ${size}`} className="qr" role="img" aria-label={label} shapeRendering="crispEdges">
      <rect width={size} height={size} fill="#fff" />
      <path d={path} fill="#000" />
    </svg>
  );
}

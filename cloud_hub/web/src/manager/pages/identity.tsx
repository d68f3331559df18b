/** Who a station is: its certificates and claims, and how a box becomes it or ceases to be it. */
import { ArrowLeftOutlined } from "@ant-design/icons";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Alert, Button, Card, Checkbox } from "antd";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { addClaim, type Claim, type Identity, identityQuery, revokeStation, stationQuery } from "../api.ts";
import { AskReason } from "../parts/ask_reason.tsx";
import { ClaimShown } from "../parts/claim.tsx";
import { Loaded, Nothing } from "../parts/notices.tsx";
import { Dot } from "../parts/status.tsx";
import { identityRoute } from "../router.tsx";
import { useIsAdmin } from "../session.tsx";
import { moment, type Tone } from "../words.ts";
import "./identity.css";

const CLAIM_HOURS = 72;
const CERTIFICATE_TONES: Record<Identity["certificates"][number]["state"], Tone> = { valid: "good", expired: "quiet", revoked: "bad" };
const CLAIM_TONES: Record<Identity["claims"][number]["state"], Tone> = {
  waiting: "warn",
  used: "good",
  expired: "quiet",
  withdrawn: "quiet",
};

export function IdentityPage() {
  const { station } = identityRoute.useParams();
  const query = useQuery(identityQuery(station));
  return (
    <Loaded query={query} rows={8}>
      {(identity) => <Held identity={identity} />}
    </Loaded>
  );
}

function Held({ identity }: { identity: Identity }) {
  const admin = useIsAdmin();
  return (
    <>
      <Heading station={identity.station} />
      {admin && <Deeds identity={identity} />}
      <div className="station-grid">
        <Certificates identity={identity} />
        <Claims identity={identity} />
      </div>
    </>
  );
}

function Heading({ station }: { station: string }) {
  const { t } = useTranslation();
  const { data } = useQuery(stationQuery(station));
  return (
    <header className="station-head">
      <Link to="/stations/$station" params={{ station }} aria-label={t("identity.back")} className="back">
        <ArrowLeftOutlined />
      </Link>
      <div className="station-title">
        <h1>
          {data?.name ?? station} · {t("identity.title")}
        </h1>
        <p className="dim">{station}</p>
      </div>
    </header>
  );
}

function Deeds({ identity }: { identity: Identity }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const [asking, setAsking] = useState<"claim" | "revoke" | null>(null);
  const [atOnce, setAtOnce] = useState(false);
  const [claim, setClaim] = useState<Claim | null>(null);
  const { station } = identity;
  const changed = () => client.invalidateQueries({ queryKey: ["identity", station] });
  const close = () => {
    setAsking(null);
    setAtOnce(false);
  };
  const make = async (reason: string) => {
    setClaim(await addClaim(station, { reason, valid_hours: CLAIM_HOURS, revoke: atOnce }));
    await changed();
  };
  const revoke = async (reason: string) => {
    await revokeStation(station, reason);
    await changed();
  };
  return (
    <div className="quick gap">
      <Button type="primary" onClick={() => setAsking("claim")} data-testid="new-claim">
        {t("identity.newClaim")}
      </Button>
      <Button danger onClick={() => setAsking("revoke")} disabled={identity.certificates.every(({ state }) => state !== "valid")}>
        {t("identity.revoke")}
      </Button>
      {asking === "claim" && (
        <AskReason title={t("identity.newClaimAsk")} okText={t("identity.newClaim")} act={make} close={close}>
          <p>{t("identity.newClaimSay", { count: CLAIM_HOURS })}</p>
          <Checkbox checked={atOnce} onChange={(event) => setAtOnce(event.target.checked)}>
            {t("identity.atOnce")}
          </Checkbox>
        </AskReason>
      )}
      {asking === "revoke" && (
        <AskReason title={t("identity.revokeAsk")} okText={t("identity.revoke")} danger act={revoke} close={close}>
          <Alert type="warning" showIcon title={t("identity.revokeSay")} />
        </AskReason>
      )}
      {claim !== null && <ClaimShown claim={claim} close={() => setClaim(null)} />}
    </div>
  );
}

function Certificates({ identity }: { identity: Identity }) {
  const { t } = useTranslation();
  return (
    <Card title={t("identity.certificates")}>
      {identity.certificates.length === 0 && <Nothing>{t("identity.noCertificates")}</Nothing>}
      <ul className="identity" data-testid="certificates">
        {identity.certificates.map((row) => (
          <li key={row.serial}>
            <Dot tone={CERTIFICATE_TONES[row.state]} state={row.state}>
              {t(`identity.certificate.${row.state}`)}
            </Dot>
            <span className="identity-name">{row.serial.slice(0, 12)}</span>
            <span>{t("identity.since", { when: moment(row.issued_at) })}</span>
            <span>{t("identity.until", { when: moment(row.not_after) })}</span>
            {row.revoked_at !== null && (
              <span className="dim">{t("identity.ended", { who: row.revoked_by, when: moment(row.revoked_at), reason: row.reason })}</span>
            )}
          </li>
        ))}
      </ul>
    </Card>
  );
}

function Claims({ identity }: { identity: Identity }) {
  const { t } = useTranslation();
  return (
    <Card title={t("identity.claims")}>
      {identity.claims.length === 0 && <Nothing>{t("identity.noClaims")}</Nothing>}
      <ul className="identity" data-testid="claims">
        {identity.claims.map((row) => (
          <li key={row.id}>
            <Dot tone={CLAIM_TONES[row.state]} state={row.state}>
              {t(`identity.claim.${row.state}`)}
            </Dot>
            <span className="identity-name">{row.id}</span>
            <span>{t("identity.until", { when: moment(row.expires_at) })}</span>
            <span className="dim">{t("identity.made", { who: row.created_by, when: moment(row.created_at), reason: row.reason })}</span>
          </li>
        ))}
      </ul>
    </Card>
  );
}

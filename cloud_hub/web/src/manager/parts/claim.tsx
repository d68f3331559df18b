/** A claim code as a person or a box takes it, shown once. */
import { Alert, Modal } from "antd";
import { useTranslation } from "react-i18next";
import type { Claim } from "../api.ts";
import { moment } from "../words.ts";
import { Qr } from "./phone_link.tsx";

export function ClaimShown({ claim, close }: { claim: Claim; close: () => void }) {
  const { t } = useTranslation();
  return (
    <Modal open title={`${t("identity.given")} · ${claim.station}`} onCancel={close} footer={null}>
      <div className="claim">
        <Alert type="info" showIcon title={t("identity.givenSay")} />
        <Qr text={claim.text} label={t("identity.given")} />
        <dl>
          <dt>{t("identity.code")}</dt>
          <dd className="claim-code" data-testid="claim-code">
            {claim.code}
          </dd>
          <dt>{t("identity.hub")}</dt>
          <dd>{claim.hub_url}</dd>
          <dt>{t("identity.fingerprint")}</dt>
          <dd className="claim-long">{claim.fingerprint}</dd>
          <dt>{t("identity.command")}</dt>
          <dd className="claim-long">
            <code data-testid="claim-command">{`yizhan-station claim --identity DIR --text '${claim.text}'`}</code>
          </dd>
        </dl>
        <p className="dim">{t("identity.until", { when: moment(claim.expires_at) })}</p>
      </div>
    </Modal>
  );
}

/** Extreme cold and lockdown: how they stand, and switching them with a reason and an end. */
import { useQueryClient } from "@tanstack/react-query";
import { Button, Card, Form, Select } from "antd";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { setCold, setLockdown, type StationRules } from "../api.ts";
import { useMayAct } from "../session.tsx";
import { moment, roleName } from "../words.ts";
import { AskReason } from "./ask_reason.tsx";
import { Dot } from "./status.tsx";

const COLD_HOURS = [2, 6, 12, 24, 48, 72];
const LOCKDOWN_HOURS = [1, 2, 6, 12, 24];
const FOREVER = 0;

const inHours = (hours: number) => (hours === FOREVER ? null : new Date(Date.now() + hours * 3_600_000).toISOString());

export function ColdCard({ rules }: { rules: StationRules }) {
  const { t } = useTranslation();
  const told = useTold(rules.station);
  const mayAct = useMayAct();
  const [asking, setAsking] = useState(false);
  const [hours, setHours] = useState(12);
  const { cold } = rules;
  return (
    <Card title={t("rules.cold.title")} className={cold ? "switch-card is-on" : "switch-card"} data-testid="cold" data-on={cold !== null}>
      <p className="switch-now">
        <Dot tone={cold ? "warn" : "quiet"}>{cold ? t("rules.cold.on", { until: moment(cold.until) }) : t("rules.cold.off")}</Dot>
      </p>
      {cold && <p>{t("rules.cold.by", { who: cold.ordered_by, reason: cold.reason })}</p>}
      <p className="dim">{t("rules.cold.say")}</p>
      <Button size="large" block type={cold ? "default" : "primary"} disabled={!mayAct} onClick={() => setAsking(true)} data-testid="cold-switch">
        {t(cold ? "rules.cold.stop" : "rules.cold.start")}
      </Button>
      {asking && (
        <AskReason
          title={t(cold ? "rules.cold.stop" : "rules.cold.ask")}
          okText={t(cold ? "rules.cold.stop" : "rules.cold.start")}
          first={cold ? t("rules.cold.undo") : ""}
          act={async (reason) => told(await setCold(rules.station, { until: cold ? null : inHours(hours), reason }))}
          close={() => setAsking(false)}
        >
          {!cold && <Until choices={COLD_HOURS} hours={hours} choose={setHours} />}
        </AskReason>
      )}
    </Card>
  );
}

export function LockdownCard({ rules }: { rules: StationRules }) {
  const { t } = useTranslation();
  const told = useTold(rules.station);
  const mayAct = useMayAct();
  const [asking, setAsking] = useState(false);
  const [hours, setHours] = useState(FOREVER);
  const [exempt, setExempt] = useState<string[]>([]);
  const { lockdown } = rules;
  const until = lockdown?.until ?? null;
  const now = lockdown === null ? t("rules.lockdown.off") : until === null ? t("rules.lockdown.always") : t("rules.lockdown.on", { until: moment(until) });
  const order = () => (lockdown ? { on: false } : { on: true, until: inHours(hours), exempt });
  return (
    <Card
      title={t("rules.lockdown.title")}
      className={lockdown ? "switch-card is-on" : "switch-card"}
      data-testid="lockdown"
      data-on={lockdown !== null}
    >
      <p className="switch-now">
        <Dot tone={lockdown ? "bad" : "quiet"}>{now}</Dot>
      </p>
      {lockdown && <p>{t("rules.lockdown.by", { who: lockdown.ordered_by, reason: lockdown.reason })}</p>}
      {lockdown && (lockdown.exempt ?? []).length > 0 && <p>{t("rules.lockdown.exemptNow", { roles: lockdown.exempt?.map((role) => roleName(t, role)).join(", ") })}</p>}
      <p className="dim">{t("rules.lockdown.say")}</p>
      <Button size="large" block danger={!lockdown} disabled={!mayAct} onClick={() => setAsking(true)} data-testid="lockdown-switch">
        {t(lockdown ? "rules.lockdown.stop" : "rules.lockdown.start")}
      </Button>
      {asking && (
        <AskReason
          title={t(lockdown ? "rules.lockdown.stop" : "rules.lockdown.ask")}
          okText={t(lockdown ? "rules.lockdown.stop" : "rules.lockdown.start")}
          danger={!lockdown}
          first={lockdown ? t("rules.lockdown.undo") : ""}
          act={async (reason) => told(await setLockdown(rules.station, { ...order(), reason }))}
          close={() => setAsking(false)}
        >
          {!lockdown && <Until choices={[FOREVER, ...LOCKDOWN_HOURS]} hours={hours} choose={setHours} />}
          {!lockdown && (
            <Form.Item label={t("rules.lockdown.exempt")}>
              <Select mode="multiple" value={exempt} onChange={setExempt} options={rules.roles.map((value) => ({ value, label: roleName(t, value) }))} />
            </Form.Item>
          )}
        </AskReason>
      )}
    </Card>
  );
}

function Until({ choices, hours, choose }: { choices: number[]; hours: number; choose: (hours: number) => void }) {
  const { t } = useTranslation();
  const options = choices.map((value) => ({ value, label: value === FOREVER ? t("rules.forever") : t("rules.hours", { count: value }) }));
  return (
    <Form.Item label={t("rules.until")}>
      <Select value={hours} onChange={choose} options={options} />
    </Form.Item>
  );
}

/** The answer to a change is the newest rules. */
export function useTold(station: string): (rules: StationRules) => void {
  const client = useQueryClient();
  return (rules) => {
    client.setQueryData(["rules", station], rules);
    void client.invalidateQueries({ queryKey: ["station", station] });
  };
}

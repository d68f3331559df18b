/** What is set as a whole: opening hours, people, entering twice, the second person. Saved with a reason. */
import { App, Button, Card, Checkbox, InputNumber, Select, Switch } from "antd";
import { type ReactNode, useState } from "react";
import { useTranslation } from "react-i18next";
import { putRules, type RoleRule, type RulesParts, type Schedule, type StationRules } from "../api.ts";
import { ALL_DAY, DAYS, type Hours, hoursOf, pastMidnight, scheduleOf } from "../hours.ts";
import { useIsAdmin } from "../session.tsx";
import { AskReason } from "./ask_reason.tsx";
import { useTold } from "./rule_switches.tsx";

const OPENING = "opening";
const PEOPLE_MAX = 1000;
const PEOPLE_FIRST = 20;
const DELAY_S = 30;

interface Draft {
  parts: RulesParts;
  base: StationRules; // what was looked at when the first change was made
}

const same = (one: RulesParts, other: RulesParts) => JSON.stringify(one) === JSON.stringify(other);

/** A save over somebody else's change of these settings is refused by the hub. */
export function SettingsCard({ rules }: { rules: StationRules }) {
  const { t } = useTranslation();
  const { message } = App.useApp();
  const told = useTold(rules.station);
  const admin = useIsAdmin();
  const [draft, setDraft] = useState<Draft | null>(null);
  const [asking, setAsking] = useState(false);
  const parts = draft?.parts ?? rules.parts;
  const change = (some: Partial<RulesParts>) => setDraft({ parts: { ...parts, ...some }, base: draft?.base ?? rules });
  const reset = () => setDraft(null);
  const dirty = !same(parts, rules.parts);
  const expected_version = draft && !same(draft.base.parts, rules.parts) ? draft.base.version : rules.version;
  const { capacity, passback, remote } = parts;
  return (
    <Card title={t("rules.set.title")}>
      <fieldset className="rule-set" disabled={!admin}>
        <Opening parts={parts} change={change} admin={admin} />
        <Line label={t("rules.set.capacity")}>
          <Switch
            aria-label={t("rules.set.capacity")}
            disabled={!admin}
            checked={Boolean(capacity)}
            onChange={(on) => change({ capacity: on ? { people_max: PEOPLE_FIRST } : null })}
          />
          {capacity && (
            <>
              <InputNumber
                aria-label={t("rules.set.peopleMax")}
                min={1}
                max={PEOPLE_MAX}
                precision={0}
                disabled={!admin}
                value={capacity.people_max}
                onChange={(people) => change({ capacity: { ...capacity, people_max: people ?? 1 } })}
              />
              <Select
                aria-label={t("rules.set.atLimit")}
                disabled={!admin}
                value={capacity.at_limit ?? "deny"}
                onChange={(at_limit) => change({ capacity: { ...capacity, at_limit } })}
                options={(["deny", "tell"] as const).map((value) => ({ value, label: t(`rules.set.${value}`) }))}
              />
              {rules.people !== null && <span className="dim">{t("rules.set.inside", { count: rules.people })}</span>}
            </>
          )}
        </Line>
        <Line label={t("rules.set.passback")}>
          <Select
            aria-label={t("rules.set.passback")}
            className="span"
            disabled={!admin}
            value={passback?.mode ?? "off"}
            onChange={(mode) => change({ passback: { ...passback, mode } })}
            options={[
              { value: "off" as const, label: t("rules.set.off") },
              { value: "tell" as const, label: t("rules.set.tellTwice") },
              { value: "delay" as const, label: t("rules.set.delay", { count: passback?.delay_s ?? DELAY_S }) },
            ]}
          />
        </Line>
        <Line label={t("rules.set.second")}>
          <Select
            aria-label={t("rules.set.second")}
            className="span"
            disabled={!admin}
            value={remote?.second_person ?? "never"}
            onChange={(second_person) => change({ remote: { second_person } })}
            options={[
              { value: "never" as const, label: t("rules.set.never") },
              { value: "lockdown" as const, label: t("rules.set.inLockdown") },
              { value: "always" as const, label: t("rules.set.everyTime") },
            ]}
          />
        </Line>
      </fieldset>
      {!admin && <p className="dim">{t("rules.set.needAdmin")}</p>}
      {admin && (
        <div className="quick">
          <Button type="primary" disabled={!dirty} onClick={() => setAsking(true)} data-testid="rules-save">
            {t("rules.set.save")}
          </Button>
          <Button disabled={!dirty} onClick={reset}>
            {t("rules.set.undo")}
          </Button>
        </div>
      )}
      {asking && (
        <AskReason
          title={t("rules.set.saveAsk")}
          okText={t("rules.set.save")}
          act={async (reason) => {
            told(await putRules(rules.station, { expected_version, parts, reason }));
            void message.success(t("rules.set.saved"));
            reset();
          }}
          close={() => setAsking(false)}
        />
      )}
    </Card>
  );
}

function Line({ label, children }: { label: string; children: ReactNode }) {
  return (
    <div className="rule-line">
      <b>{label}</b>
      <div className="quick">{children}</div>
    </div>
  );
}

function Opening({ parts, change, admin }: { parts: RulesParts; change: (some: Partial<RulesParts>) => void; admin: boolean }) {
  const { t } = useTranslation();
  const name = parts.opening ?? null;
  // The description gives the names a pattern, so the client does not know what is behind them.
  const schedules = (parts.schedules ?? {}) as Record<string, Schedule>;
  const roles = Object.values((parts.roles ?? {}) as Record<string, RoleRule>);
  const shared = name !== null && roles.some((role) => role.schedule === name);
  const hours = name === null || shared ? null : hoursOf(schedules[name]);
  const put = (next: Hours) => change({ opening: name ?? OPENING, schedules: { ...schedules, [name ?? OPENING]: scheduleOf(next, schedules[name ?? OPENING]) } });
  const begin = () => put(Object.fromEntries(DAYS.map((day) => [day, { start: "06:00", end: "22:00" }])) as Hours);
  return (
    <>
      <Line label={t("rules.set.opening")}>
        <Select
          aria-label={t("rules.set.opening")}
          className="span"
          disabled={!admin}
          value={name === null ? "always" : "hours"}
          onChange={(value) => (value === "always" ? change({ opening: null }) : begin())}
          options={[
            { value: "always", label: t("rules.set.always") },
            { value: "hours", label: t("rules.set.byHours") },
          ]}
        />
      </Line>
      {name !== null && hours === null && <p className="dim">{t("rules.set.complex")}</p>}
      {hours && (
        <ul className="hours" data-testid="hours">
          {DAYS.map((day) => {
            const span = hours[day];
            const label = t(`rules.day.${day}`);
            const time = (edge: "start" | "end") => (
              <input
                type="time"
                required
                aria-label={t(edge === "start" ? "rules.set.from" : "rules.set.to", { day: label })}
                value={span?.[edge] ?? ""}
                onChange={(event) => span && event.target.value && put({ ...hours, [day]: { ...span, [edge]: event.target.value } })}
              />
            );
            return (
              <li key={day}>
                <Checkbox disabled={!admin} checked={span !== null} onChange={(event) => put({ ...hours, [day]: event.target.checked ? ALL_DAY : null })}>
                  {label}
                </Checkbox>
                {span === null ? (
                  <span className="dim">{t("rules.set.closed")}</span>
                ) : (
                  <span>
                    {time("start")} – {time("end")} {pastMidnight(span) && <small className="dim">{t("rules.set.nextDay")}</small>}
                  </span>
                )}
              </li>
            );
          })}
        </ul>
      )}
    </>
  );
}

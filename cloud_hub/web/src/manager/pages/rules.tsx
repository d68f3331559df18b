/** The rules of one station: switches, what is set, and the codes and cards that were given out. */
import { ArrowLeftOutlined } from "@ant-design/icons";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import { rulesQuery, stationQuery, type StationRules } from "../api.ts";
import { AccessCodesCard } from "../parts/access_codes.tsx";
import { Loaded } from "../parts/notices.tsx";
import { SettingsCard } from "../parts/rule_settings.tsx";
import { ColdCard, LockdownCard } from "../parts/rule_switches.tsx";
import { Dot } from "../parts/status.tsx";
import { rulesRoute } from "../router.tsx";
import { useMayAct } from "../session.tsx";
import { moment, type Tone } from "../words.ts";

export function RulesPage() {
  const { station } = rulesRoute.useParams();
  const query = useQuery(rulesQuery(station));
  return (
    <Loaded query={query} rows={10}>
      {(rules) => <Rules rules={rules} />}
    </Loaded>
  );
}

function Rules({ rules }: { rules: StationRules }) {
  const mayAct = useMayAct();
  return (
    <>
      <Heading rules={rules} />
      <div className="station-grid">
        <ColdCard rules={rules} />
        <LockdownCard rules={rules} />
        <SettingsCard rules={rules} />
        {mayAct && <AccessCodesCard rules={rules} />}
      </div>
    </>
  );
}

function Heading({ rules }: { rules: StationRules }) {
  const { t } = useTranslation();
  const { data: station } = useQuery(stationQuery(rules.station));
  const [tone, said] = standing(rules, station?.online ?? false);
  const places = { have: rules.running ?? 0, want: rules.version };
  return (
    <header className="station-head">
      <Link to="/stations/$station" params={{ station: rules.station }} aria-label={t("rules.back")} className="back">
        <ArrowLeftOutlined />
      </Link>
      <div className="station-title">
        <h1>
          {station?.name ?? rules.station} · {t("rules.title")}
        </h1>
        {rules.changed_at !== null && (
          <p className="dim">{t("rules.version.by", { who: rules.changed_by, when: moment(rules.changed_at), reason: rules.reason })}</p>
        )}
      </div>
      <Dot tone={tone} testId="rules-version" state={said}>
        {t(`rules.version.${said}`, places)}
      </Dot>
    </header>
  );
}

function standing(rules: StationRules, online: boolean): [Tone, "none" | "running" | "behind" | "waiting"] {
  if (rules.version === 0) return ["quiet", "none"];
  if (rules.running !== null && rules.running >= rules.version) return ["good", "running"];
  return online ? ["warn", "behind"] : ["quiet", "waiting"];
}

/** Text to the LED sign. */
import { SendOutlined } from "@ant-design/icons";
import { useMutation, useQuery } from "@tanstack/react-query";
import { Alert, Button, Card, Input, Select } from "antd";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { type Command, commandQuery, commandsQuery, isFinal, sendCommand, type StationDetail } from "../api.ts";
import { useMayAct } from "../session.tsx";
import { Nothing, useProblemText } from "./notices.tsx";
import { SignPreview } from "./sign_preview.tsx";

const TEXT_MAX = 120;
const RECENT_MAX = 5;
const SPANS_S = [0, 600, 3600, 8 * 3600] as const;

export function SignCard({ station }: { station: StationDetail }) {
  const { t } = useTranslation();
  return <Card title={t("sign.title")}>{station.profile.sign === null ? <Nothing>{t("sign.none")}</Nothing> : <Sign station={station} />}</Card>;
}

function Sign({ station }: { station: StationDetail }) {
  const { t } = useTranslation();
  const text = useProblemText();
  const mayAct = useMayAct() && station.online;
  const [wanted, setWanted] = useState("");
  const [seconds, setSeconds] = useState<number>(0);
  const sending = useMutation({
    mutationFn: (words: string) =>
      sendCommand(station.id, {
        order: { kind: "sign.text", text: words, seconds: words === "" ? 0 : seconds },
        reason: t(words === "" ? "sign.reasonClear" : "sign.reasonSend"),
      }),
    onSuccess: () => setWanted(""),
  });
  const span = (s: number) => {
    if (s === 0) return t("sign.forever");
    return s < 3600 ? t("common.minutes", { count: s / 60 }) : t("common.hours", { count: s / 3600 });
  };
  return (
    <div className="sign-card">
      <p className="sign-now">
        <span className="dim">{t("sign.now")}</span>
        <b data-testid="sign-now">{station.sign_text || t("sign.idle")}</b>
      </p>
      <div className="sign-write">
        <Input.TextArea
          value={wanted}
          onChange={(event) => setWanted(event.target.value.replaceAll("\n", " "))}
          maxLength={TEXT_MAX}
          showCount
          autoSize={{ minRows: 2, maxRows: 4 }}
          placeholder={t("sign.placeholder")}
          aria-label={t("sign.placeholder")}
          disabled={!mayAct}
          data-testid="sign-text"
        />
        <SignPreview text={wanted || (station.sign_text ?? "")} label={t("sign.preview")} />
        <small className="dim">{t("sign.preview")}</small>
      </div>
      <div className="quick">
        <Select
          value={seconds}
          onChange={setSeconds}
          aria-label={t("sign.until")}
          disabled={!mayAct}
          options={SPANS_S.map((value) => ({ value, label: span(value) }))}
          className="span"
        />
        <Button
          type="primary"
          icon={<SendOutlined />}
          disabled={!mayAct || wanted.trim() === ""}
          loading={sending.isPending}
          onClick={() => sending.mutate(wanted.trim())}
          data-testid="sign-send"
        >
          {t("sign.send")}
        </Button>
        <Button disabled={!mayAct || sending.isPending} onClick={() => sending.mutate("")}>
          {t("sign.clear")}
        </Button>
      </div>
      {sending.error && <Alert type="error" showIcon title={text(sending.error)} />}
      {sending.data && <Sent key={sending.data.id} first={sending.data} />}
      <Recent station={station.id} disabled={!mayAct} take={setWanted} />
    </div>
  );
}

function Sent({ first }: { first: Command }) {
  const { t } = useTranslation();
  const { data: command = first } = useQuery({ ...commandQuery(first.id), initialData: first });
  const said = isFinal(command) ? t(`status.${command.status}`) : t("sign.sent");
  const type = command.status === "done" ? "success" : isFinal(command) ? "error" : "info";
  return <Alert type={type} showIcon role="status" title={command.status !== "done" && command.detail ? `${said} · ${command.detail}` : said} />;
}

/** The last texts are one press away. */
function Recent({ station, disabled, take }: { station: string; disabled: boolean; take: (text: string) => void }) {
  const { t } = useTranslation();
  const { data: commands = [] } = useQuery(commandsQuery(station));
  const texts = commands.filter(({ kind }) => kind === "sign.text").map(({ order }) => String(order["text"] ?? ""));
  const recent = [...new Set(texts)].filter((one) => one !== "").slice(0, RECENT_MAX);
  if (recent.length === 0) return null;
  return (
    <div className="quick">
      <small className="dim">{t("sign.recent")}</small>
      {recent.map((one) => (
        <Button key={one} size="small" disabled={disabled} onClick={() => take(one)} className="clip">
          {one}
        </Button>
      ))}
    </div>
  );
}

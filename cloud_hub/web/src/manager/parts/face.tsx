/** Enrolling a member's face at one station: separate consent first, then the station does it and says what to do next. */
import { useMutation, useQuery } from "@tanstack/react-query";
import { Alert, Button, Checkbox, Form, Modal, Progress, Select } from "antd";
import dayjs from "dayjs";
import { useTranslation } from "react-i18next";
import { type Command, commandQuery, isFinal, type Member, sendCommand, stationsQuery } from "../api.ts";
import { Nothing, useProblemText } from "./notices.tsx";

const MONTHS = [3, 6, 12] as const;

interface Values {
  station: string;
  months: number;
}

export function EnrolFace({ member, close }: { member: Member; close: () => void }) {
  const { t } = useTranslation();
  const text = useProblemText();
  const { data: stations = [] } = useQuery(stationsQuery);
  const able = stations.filter((station) => station.faces_enabled);
  const sending = useMutation({
    mutationFn: ({ station, months }: Values) => {
      const now = dayjs();
      const consent = {
        given_at: now.toISOString(),
        purpose: t("face.purposeText"),
        expires_at: now.add(months, "month").toISOString(),
        stations: [station],
      };
      return sendCommand(station, { order: { kind: "face.enrol", member: member.id, consent }, reason: t("face.reasonEnrol") });
    },
  });
  return (
    <Modal open title={t("face.title", { name: member.name })} onCancel={close} footer={null} destroyOnHidden>
      {able.length === 0 && <Nothing>{t("face.noStation")}</Nothing>}
      {able.length > 0 && !sending.data && (
        <Form layout="vertical" requiredMark={false} initialValues={{ station: able[0]?.id, months: 12 }} onFinish={sending.mutate}>
          <Form.Item name="station" label={t("face.station")} rules={[{ required: true }]}>
            <Select options={able.map(({ id, name, online }) => ({ value: id, label: name, disabled: !online }))} />
          </Form.Item>
          <section className="consent" aria-label={t("face.consentTitle")}>
            <h3>{t("face.consentTitle")}</h3>
            <p>{t("face.consent")}</p>
            <p>
              <span className="dim">{t("face.purpose")}:</span> {t("face.purposeText")}
            </p>
            <Form.Item name="months" label={t("face.expiry")}>
              <Select options={MONTHS.map((count) => ({ value: count, label: t("face.months", { count }) }))} />
            </Form.Item>
            <Form.Item
              name="agreed"
              valuePropName="checked"
              rules={[{ validator: (_, agreed) => (agreed ? Promise.resolve() : Promise.reject(new Error(t("face.needAgreed")))) }]}
            >
              <Checkbox data-testid="face-agreed">{t("face.agreed")}</Checkbox>
            </Form.Item>
          </section>
          <p>{t("face.stand")}</p>
          {sending.error && <Alert type="error" showIcon className="gap" title={text(sending.error)} />}
          <Button type="primary" size="large" block htmlType="submit" loading={sending.isPending} data-testid="face-start">
            {t("face.start")}
          </Button>
        </Form>
      )}
      {sending.data && <Enrolling command={sending.data.id} again={() => sending.reset()} />}
    </Modal>
  );
}

interface Guidance {
  good: number;
  wanted: number;
  zh: string;
  en: string;
}

/** What the station says to do next: its progress holds the counts and the sentence of the sign, its detail the English one. */
function guidance(command: Command | undefined): Guidance | undefined {
  const { good, wanted, next } = command?.result ?? {};
  if (typeof good !== "number" || typeof wanted !== "number" || typeof next !== "string") return undefined;
  return { good, wanted, zh: next, en: command!.detail.replace(/^\d+\/\d+: /, "") };
}

function Enrolling({ command: id, again }: { command: string; again: () => void }) {
  const { t, i18n } = useTranslation();
  const { data: command } = useQuery(commandQuery(id));
  const settled = isFinal(command);
  const good = command?.status === "done";
  const guided = guidance(command);
  const count = t("face.count", { good: guided?.good, wanted: guided?.wanted });
  const next = i18n.language === "zh" ? guided?.zh : guided?.en;
  const said = good ? t("face.done") : settled && command ? `${t(`status.${command.status}`)}: ${command.detail}` : (next ?? t("face.doing"));
  return (
    <div data-testid="face-progress" data-status={command?.status}>
      <Alert
        type={good ? "success" : settled ? "error" : "info"}
        showIcon
        role="status"
        title={said}
        action={settled && !good && <Button onClick={again}>{t("common.retry")}</Button>}
      />
      {!settled && guided && <Progress percent={(100 * guided.good) / guided.wanted} format={() => count} aria-label={count} />}
    </div>
  );
}

/** Remote open: a reason, then what becomes of the command, step by step, and of the door. */
import { useMutation, useQuery } from "@tanstack/react-query";
import { Alert, Button, Form, Input, Modal, Steps } from "antd";
import { useTranslation } from "react-i18next";
import { type Command, commandQuery, isFinal, isUnconfirmed, sendCommand, type StationDetail } from "../api.ts";
import { clock } from "../words.ts";
import { useProblemText } from "./notices.tsx";

const STEPS = ["queued", "sent", "accepted", "done"] as const;
const REASON_MAX = 200;

export function RemoteOpen({ station, close }: { station: StationDetail; close: () => void }) {
  const { t } = useTranslation();
  const sending = useMutation({
    mutationFn: (reason: string) => sendCommand(station.id, { order: { kind: "door.open" }, reason }),
  });
  return (
    <Modal open title={t("open.title", { station: station.name })} onCancel={close} footer={null} destroyOnHidden>
      {sending.data ? (
        <Progress first={sending.data} station={station} again={() => sending.reset()} close={close} />
      ) : (
        <Ask station={station} busy={sending.isPending} error={sending.error} send={sending.mutate} />
      )}
    </Modal>
  );
}

interface AskProps {
  station: StationDetail;
  busy: boolean;
  error: unknown;
  send: (reason: string) => void;
}

function Ask({ station, busy, error, send }: AskProps) {
  const { t } = useTranslation();
  const text = useProblemText();
  const [form] = Form.useForm<{ reason: string }>();
  const quick = t("open.quick", { returnObjects: true });
  return (
    <Form form={form} layout="vertical" requiredMark={false} onFinish={({ reason }) => send(reason.trim())}>
      <Alert type="warning" showIcon className="gap" title={t("open.warn", { seconds: station.profile.hold_s })} />
      <Form.Item
        name="reason"
        label={t("open.reason")}
        rules={[{ required: true, whitespace: true, min: 2, max: REASON_MAX, message: t("open.needReason") }]}
      >
        <Input autoFocus maxLength={REASON_MAX} placeholder={t("open.placeholder")} data-testid="open-reason" />
      </Form.Item>
      <div className="quick">
        {quick.map((reason) => (
          <Button key={reason} size="small" onClick={() => form.setFieldsValue({ reason })}>
            {reason}
          </Button>
        ))}
      </div>
      {Boolean(error) && <Alert type="error" showIcon className="gap" title={text(error)} />}
      <Button type="primary" danger size="large" block htmlType="submit" loading={busy} data-testid="open-confirm">
        {t("open.confirm")}
      </Button>
    </Form>
  );
}

interface ProgressProps {
  first: Command;
  station: StationDetail;
  again: () => void;
  close: () => void;
}

function Progress({ first, station, again, close }: ProgressProps) {
  const { t } = useTranslation();
  const { data: command = first } = useQuery({ ...commandQuery(first.id), initialData: first });
  const settled = isFinal(command);
  const good = command.status === "done";
  const reached = STEPS.findIndex((step) => step === command.status);
  const current = reached >= 0 ? reached : command.accepted_at === null ? 1 : 2;
  return (
    <div data-testid="open-progress" data-status={command.status}>
      <Steps
        orientation="vertical"
        size="small"
        current={current}
        status={settled && !good ? "error" : good ? "finish" : "process"}
        items={STEPS.map((step, i) => ({ title: t(`status.${settled && !good && i === current ? command.status : step}`) }))}
      />
      {isUnconfirmed(command) && (
        <Alert type="warning" showIcon className="gap" title={t("rules.second.waiting", { when: clock(command.confirm_until ?? "") })} />
      )}
      <Alert
        type={settled ? (good ? "success" : "error") : "info"}
        showIcon
        role="status"
        className="gap"
        title={sentence()}
        description={t("open.now", { door: t(`door.${station.door}`) })}
      />
      {settled && (
        <div className="quick">
          <Button type={good ? "primary" : "default"} onClick={close}>
            {t("common.close")}
          </Button>
          <Button onClick={again}>{t("open.again")}</Button>
        </div>
      )}
    </div>
  );

  function sentence(): string {
    const { status, detail } = command;
    if (status === "refused" || status === "failed") return t(`open.${status}`, { detail });
    if (status === "expired") return t("open.expired");
    if (status !== "done") return t("open.waiting");
    const end = command.settled_at ?? command.accepted_at ?? command.issued_at;
    const seconds = ((Date.parse(end) - Date.parse(command.issued_at)) / 1000).toFixed(1);
    return `${t("open.done")} ${t("open.took", { seconds })}`;
  }
}

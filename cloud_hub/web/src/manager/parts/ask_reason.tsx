/** Asks for the reason of a change before it is made; what else has to be chosen comes as children. */
import { useMutation } from "@tanstack/react-query";
import { Alert, Form, Input, Modal } from "antd";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { useProblemText } from "./notices.tsx";

interface Props {
  title: string;
  okText: string;
  danger?: boolean;
  first?: string;
  children?: ReactNode;
  act: (reason: string) => Promise<unknown>;
  close: () => void;
}

export function AskReason({ title, okText, danger = false, first = "", children, act, close }: Props) {
  const text = useProblemText();
  const [form] = Form.useForm<{ reason: string }>();
  const acting = useMutation({ mutationFn: ({ reason }: { reason: string }) => act(reason.trim()), onSuccess: close });
  return (
    <Modal
      open
      title={title}
      okText={okText}
      okButtonProps={{ danger, "data-testid": "reason-ok" }}
      onOk={form.submit}
      onCancel={close}
      confirmLoading={acting.isPending}
    >
      <Form form={form} layout="vertical" requiredMark={false} initialValues={{ reason: first }} onFinish={acting.mutate}>
        {children}
        <ReasonItem />
      </Form>
      {acting.error && <Alert type="error" showIcon title={text(acting.error)} />}
    </Modal>
  );
}

const REASON_MAX = 200;

export function ReasonItem() {
  const { t } = useTranslation();
  return (
    <Form.Item
      name="reason"
      label={t("rules.reason")}
      rules={[{ required: true, whitespace: true, min: 2, max: REASON_MAX, message: t("rules.needReason") }]}
    >
      <Input maxLength={REASON_MAX} data-testid="reason" />
    </Form.Item>
  );
}

/** A new member. */
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Alert, App, DatePicker, Form, Input, Modal, Select } from "antd";
import type { Dayjs } from "dayjs";
import { useTranslation } from "react-i18next";
import { OCCUPATIONS } from "../../plain/occupations.ts";
import { addMember, type Occupation } from "../api.ts";
import { useProblemText } from "./notices.tsx";

interface Values {
  name: string;
  occupation: Occupation;
  until?: Dayjs;
}

const NAME_MAX = 60;

export function AddMember({ close }: { close: () => void }) {
  const { t } = useTranslation();
  const text = useProblemText();
  const client = useQueryClient();
  const { message } = App.useApp();
  const [form] = Form.useForm<Values>();
  const adding = useMutation({
    mutationFn: ({ name, occupation, until }: Values) =>
      addMember({ name, occupation, valid_until: until?.endOf("day").toISOString() ?? null }),
    onSuccess: () => {
      void message.success(t("members.saved"));
      void client.invalidateQueries({ queryKey: ["members"] });
      close();
    },
  });
  const occupations = (Object.keys(OCCUPATIONS.zh) as Occupation[]).map((value) => ({ value, label: t(`occupation.${value}`) }));
  return (
    <Modal open title={t("members.add")} okText={t("members.save")} onOk={form.submit} onCancel={close} confirmLoading={adding.isPending}>
      <Form form={form} layout="vertical" requiredMark={false} onFinish={adding.mutate}>
        <Form.Item name="name" label={t("members.name")} rules={[{ required: true, whitespace: true, message: t("members.needName") }]}>
          <Input autoFocus maxLength={NAME_MAX} />
        </Form.Item>
        <Form.Item name="occupation" label={t("members.occupation")} rules={[{ required: true, message: t("members.needOccupation") }]}>
          <Select options={occupations} />
        </Form.Item>
        <Form.Item name="until" label={t("members.validUntil")}>
          <DatePicker placeholder={t("members.always")} className="wide" />
        </Form.Item>
      </Form>
      {adding.error && <Alert type="error" showIcon title={text(adding.error)} />}
    </Modal>
  );
}

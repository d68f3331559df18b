/** Guests' codes, staff codes and cards: giving them out (shown once), and taking them back. */
import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Alert, App, Button, Card, Form, Input, InputNumber, Modal, Radio, Select } from "antd";
import { type ReactNode, useDeferredValue, useState } from "react";
import { useTranslation } from "react-i18next";
import { OCCUPATIONS } from "../../plain/occupations.ts";
import {
  type AccessCode,
  accessCodesQuery,
  type GivenCode,
  giveGuestCode,
  givePin,
  membersQuery,
  type Occupation,
  registerCard,
  revokeAccessCode,
  type StationRules,
} from "../api.ts";
import { useIsAdmin } from "../session.tsx";
import { moment, roleName } from "../words.ts";
import { AskReason, ReasonItem } from "./ask_reason.tsx";
import { Loaded, Nothing, useProblemText } from "./notices.tsx";
import { Qr } from "./phone_link.tsx";

type Dialog = { kind: "guest" | "pin" | "card" } | { kind: "revoke"; code: AccessCode } | { kind: "given"; given: GivenCode } | null;

const GUEST_HOURS = [2, 8, 24, 48, 72];
const USES_MAX = 20;

export function AccessCodesCard({ rules }: { rules: StationRules }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const { message } = App.useApp();
  const admin = useIsAdmin();
  const [dialog, setDialog] = useState<Dialog>(null);
  const query = useQuery(accessCodesQuery(rules.station));
  const close = () => setDialog(null);
  const changed = () => {
    void client.invalidateQueries({ queryKey: ["codes", rules.station] });
    void client.invalidateQueries({ queryKey: ["rules", rules.station] });
  };
  const given = (one: GivenCode) => {
    changed();
    if (one.digits === null) {
      void message.success(t("rules.codes.registered"));
      close();
    } else setDialog({ kind: "given", given: one });
  };
  return (
    <Card title={t("rules.codes.title")}>
      <div className="quick">
        <Button type="primary" onClick={() => setDialog({ kind: "guest" })} data-testid="give-guest">
          {t("rules.codes.guest")}
        </Button>
        {admin && <Button onClick={() => setDialog({ kind: "pin" })}>{t("rules.codes.pin")}</Button>}
        {admin && <Button onClick={() => setDialog({ kind: "card" })}>{t("rules.codes.card")}</Button>}
      </div>
      <Loaded query={query}>
        {(codes) =>
          codes.length === 0 ? (
            <Nothing>{t("rules.codes.empty")}</Nothing>
          ) : (
            <ul className="codes" data-testid="codes">
              {codes.map((code) => (
                <Row key={code.id} code={code} revoke={() => setDialog({ kind: "revoke", code })} />
              ))}
            </ul>
          )
        }
      </Loaded>
      {dialog?.kind === "guest" && <GiveGuest station={rules.station} given={given} close={close} />}
      {dialog?.kind === "pin" && <GivePin rules={rules} given={given} close={close} />}
      {dialog?.kind === "card" && <RegisterCard rules={rules} given={given} close={close} />}
      {dialog?.kind === "given" && <Given given={dialog.given} close={close} />}
      {dialog?.kind === "revoke" && (
        <AskReason
          title={t("rules.codes.revokeAsk", { what: t(`rules.codes.kind.${dialog.code.kind}`) })}
          okText={t("rules.codes.revoke")}
          danger
          act={(reason) => revokeAccessCode(rules.station, dialog.code.id, reason).then(changed)}
          close={close}
        />
      )}
    </Card>
  );
}

function Row({ code, revoke }: { code: AccessCode; revoke: () => void }) {
  const { t } = useTranslation();
  const facts = [
    code.name,
    code.phone,
    code.occupation && t(`occupation.${code.occupation}`),
    code.kind !== "guest" && code.role !== null && roleName(t, code.role),
    code.uses !== null && t("rules.codes.uses", { count: code.uses }),
    code.not_after === null ? t("rules.codes.lasting") : t("rules.codes.until", { when: moment(code.not_after) }),
  ];
  return (
    <li>
      <span>
        <b>{t(`rules.codes.kind.${code.kind}`)}</b> {facts.filter(Boolean).join(" · ")}
        <small className="dim">{t("rules.codes.given", { who: code.created_by, when: moment(code.created_at), reason: code.reason })}</small>
      </span>
      <Button size="small" danger onClick={revoke}>
        {t("rules.codes.revoke")}
      </Button>
    </li>
  );
}

interface GiveProps<V> {
  title: string;
  okText: string;
  first: Partial<V>;
  act: (values: V) => Promise<GivenCode>;
  given: (given: GivenCode) => void;
  close: () => void;
  children: ReactNode;
}

function Give<V extends object>({ title, okText, first, act, given, close, children }: GiveProps<V>) {
  const text = useProblemText();
  const [form] = Form.useForm<V>();
  const giving = useMutation({ mutationFn: act, onSuccess: given });
  return (
    <Modal
      open
      title={title}
      okText={okText}
      okButtonProps={{ "data-testid": "give-ok" }}
      onOk={form.submit}
      onCancel={close}
      confirmLoading={giving.isPending}
    >
      <Form form={form} layout="vertical" requiredMark={false} initialValues={first} onFinish={(values) => giving.mutate(values as V)}>
        {children}
        <ReasonItem />
      </Form>
      {giving.error && <Alert type="error" showIcon title={text(giving.error)} />}
    </Modal>
  );
}

interface OneProps {
  given: (given: GivenCode) => void;
  close: () => void;
}

function GiveGuest({ station, ...props }: OneProps & { station: string }) {
  const { t } = useTranslation();
  type Values = { phone: string; occupation: Occupation; hours: number; uses: number; reason: string };
  const occupations = (Object.keys(OCCUPATIONS.zh) as Occupation[]).map((value) => ({ value, label: t(`occupation.${value}`) }));
  return (
    <Give<Values>
      {...props}
      title={t("rules.codes.guest")}
      okText={t("rules.codes.give")}
      first={{ hours: 24, uses: 1, occupation: "other" }}
      act={(values) => giveGuestCode(station, values)}
    >
      <Form.Item name="phone" label={t("rules.codes.phone")} rules={[{ required: true, pattern: /^\+?[0-9]{6,15}$/, message: t("rules.codes.needPhone") }]}>
        <Input autoFocus inputMode="tel" maxLength={16} data-testid="guest-phone" />
      </Form.Item>
      <Form.Item name="occupation" label={t("rules.codes.occupation")}>
        <Select options={occupations} />
      </Form.Item>
      <Form.Item name="hours" label={t("rules.codes.valid")}>
        <Select options={GUEST_HOURS.map((value) => ({ value, label: t("rules.hours", { count: value }) }))} />
      </Form.Item>
      <Form.Item name="uses" label={t("rules.codes.times")}>
        <InputNumber min={1} max={USES_MAX} precision={0} />
      </Form.Item>
    </Give>
  );
}

function Staff({ rules }: { rules: StationRules }) {
  const { t } = useTranslation();
  return (
    <>
      <Form.Item name="name" label={t("rules.codes.name")} rules={[{ required: true, whitespace: true, message: t("rules.codes.needName") }]}>
        <Input autoFocus maxLength={60} />
      </Form.Item>
      <Form.Item name="role" label={t("rules.codes.role")}>
        <Select options={rules.roles.map((value) => ({ value, label: roleName(t, value) }))} />
      </Form.Item>
    </>
  );
}

function OfMember() {
  const { t } = useTranslation();
  const [wanted, setWanted] = useState("");
  const { data } = useInfiniteQuery(membersQuery(useDeferredValue(wanted.trim())));
  const members = data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <Form.Item name="member" label={t("rules.codes.member")} rules={[{ required: true, message: t("rules.codes.needMember") }]}>
      <Select
        showSearch={{ filterOption: false, onSearch: setWanted }}
        options={members.map(({ id, name }) => ({ value: id, label: `${name} ${id}` }))}
      />
    </Form.Item>
  );
}

function GivePin({ rules, ...props }: OneProps & { rules: StationRules }) {
  const { t } = useTranslation();
  type Values = { name: string; role: string; digits?: string; reason: string };
  return (
    <Give<Values>
      {...props}
      title={t("rules.codes.pin")}
      okText={t("rules.codes.give")}
      first={{ role: "staff" }}
      act={({ digits, ...values }) => givePin(rules.station, { ...values, digits: digits || null })}
    >
      <Staff rules={rules} />
      <Form.Item name="digits" label={t("rules.codes.digits")} extra={t("rules.codes.digitsHint")}>
        <Input inputMode="numeric" maxLength={12} autoComplete="off" />
      </Form.Item>
    </Give>
  );
}

function RegisterCard({ rules, ...props }: OneProps & { rules: StationRules }) {
  const { t } = useTranslation();
  const [typed, setTyped] = useState(false);
  const [ofMember, setOfMember] = useState(false);
  type Values = { member?: string; name?: string; role?: string; number?: string; bits?: number; reason: string };
  return (
    <Give<Values>
      {...props}
      title={t("rules.codes.card")}
      okText={t("rules.codes.register")}
      first={{ role: "staff", bits: 26 }}
      act={({ member, name, role, number, bits, reason }) => {
        const owner = ofMember ? { member } : { name, role };
        return registerCard(rules.station, { ...owner, reason, raw: typed ? { number: number ?? "", bits: bits ?? 0 } : null });
      }}
    >
      <Form.Item>
        <Radio.Group
          value={ofMember}
          onChange={(event) => setOfMember(Boolean(event.target.value))}
          options={[
            { value: false, label: t("rules.codes.ofStaff") },
            { value: true, label: t("rules.codes.ofMember") },
          ]}
        />
      </Form.Item>
      {ofMember ? <OfMember /> : <Staff rules={rules} />}
      <Form.Item extra={typed ? undefined : t("rules.codes.readerHint")}>
        <Radio.Group
          value={typed}
          onChange={(event) => setTyped(Boolean(event.target.value))}
          options={[
            { value: false, label: t("rules.codes.reader") },
            { value: true, label: t("rules.codes.raw") },
          ]}
        />
      </Form.Item>
      {typed && (
        <>
          <Form.Item name="number" label={t("rules.codes.number")} rules={[{ required: true, message: t("rules.codes.number") }]}>
            <Input autoComplete="off" maxLength={78} />
          </Form.Item>
          <Form.Item name="bits" label={t("rules.codes.bits")}>
            <InputNumber min={8} max={256} precision={0} />
          </Form.Item>
        </>
      )}
    </Give>
  );
}

function Given({ given, close }: { given: GivenCode; close: () => void }) {
  const { t } = useTranslation();
  const { message } = App.useApp();
  const digits = given.digits ?? "";
  const copy = () => void navigator.clipboard.writeText(digits).then(() => message.success(t("rules.codes.copied")));
  const { kind, not_after, uses } = given.code;
  const facts = [
    uses !== null && t("rules.codes.uses", { count: uses }),
    not_after === null ? t("rules.codes.lasting") : t("rules.codes.until", { when: moment(not_after) }),
  ];
  return (
    <Modal open title={t(`rules.codes.kind.${kind}`)} onCancel={close} footer={null}>
      <div className="given">
        <output className="given-digits" data-testid="given-digits">
          {digits.replace(/(\d{4})(?=\d)/g, "$1 ")}
        </output>
        {given.qr !== null && <Qr text={given.qr} label={t("rules.codes.usable")} />}
        <p>{t(given.qr === null ? "rules.codes.typed" : "rules.codes.usable")}</p>
        <p className="dim">{facts.filter(Boolean).join(" · ")}</p>
        <Alert type="warning" showIcon title={t("rules.codes.once")} />
        <div className="quick no-print">
          <Button type="primary" onClick={copy}>
            {t("rules.codes.copy")}
          </Button>
          <Button onClick={() => window.print()}>{t("rules.codes.print")}</Button>
          <Button onClick={close}>{t("common.close")}</Button>
        </div>
      </div>
    </Modal>
  );
}

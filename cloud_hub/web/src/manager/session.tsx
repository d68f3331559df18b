/** Who is logged in, and the log-in page for nobody. */
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Alert, Button, Form, Input } from "antd";
import { createContext, useContext } from "react";
import { useTranslation } from "react-i18next";
import { beginSession, logIn, type User } from "./api.ts";
import { switchLanguage } from "./i18n/index.ts";
import { useProblemText } from "./parts/notices.tsx";

export const CurrentUser = createContext<User | null>(null);

/** Operators and admins may act; viewers only look. */
export function useMayAct(): boolean {
  const user = useContext(CurrentUser);
  return user !== null && user.role !== "viewer";
}

export function useIsAdmin(): boolean {
  return useContext(CurrentUser)?.role === "admin";
}

export function LogInPage() {
  const { t } = useTranslation();
  const client = useQueryClient();
  const text = useProblemText();
  const entering = useMutation({
    mutationFn: ({ user, password }: { user: string; password: string }) => logIn(user.trim(), password),
    onSuccess: (user) => beginSession(client, user),
  });
  return (
    <main className="login">
      <section className="login-card">
        <img src="/favicon.svg" alt="" width={56} height={56} />
        <h1>{t("session.title")}</h1>
        <p className="dim">{t("tagline")}</p>
        <Form layout="vertical" size="large" requiredMark={false} onFinish={(values) => entering.mutate(values)}>
          <Form.Item name="user" label={t("session.user")} rules={[{ required: true, message: t("session.needUser") }]}>
            <Input autoComplete="username" autoFocus />
          </Form.Item>
          <Form.Item name="password" label={t("session.password")} rules={[{ required: true, message: t("session.needPassword") }]}>
            <Input.Password autoComplete="current-password" />
          </Form.Item>
          {entering.error && <Alert type="error" showIcon title={t("session.failed")} description={text(entering.error)} />}
          <Button type="primary" htmlType="submit" block loading={entering.isPending} className="login-go">
            {t("session.enter")}
          </Button>
        </Form>
        <p className="dim">{t("session.demo")}</p>
        <Button type="text" onClick={switchLanguage}>
          {t("language")}
        </Button>
      </section>
    </main>
  );
}

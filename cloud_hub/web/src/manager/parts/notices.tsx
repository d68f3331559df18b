/** What is shown while there is nothing to show: loading, empty, failed. Each says what to do. */
import { Button, Empty, Result, Skeleton } from "antd";
import type { UseQueryResult } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { Problem } from "../api.ts";

export function useProblemText(): (error: unknown) => string {
  const { t } = useTranslation();
  return (error) => {
    if (error instanceof Problem) return error.status === 0 ? t("common.network") : error.message;
    return String(error);
  };
}

export function Failed({ error, retry }: { error: unknown; retry: () => void }) {
  const { t } = useTranslation();
  const text = useProblemText();
  return (
    <div role="alert" className="notice">
      <strong>{t("common.failed")}</strong>
      <span>{text(error)}</span>
      <Button onClick={retry}>{t("common.retry")}</Button>
    </div>
  );
}

export function Nothing({ children }: { children: ReactNode }) {
  return <Empty image={Empty.PRESENTED_IMAGE_SIMPLE} description={<span className="dim">{children}</span>} />;
}

/** Loading, failure, or the data. */
export function Loaded<T>({
  query,
  rows = 4,
  children,
}: {
  query: UseQueryResult<T>;
  rows?: number;
  children: (data: NonNullable<T>) => ReactNode;
}) {
  const { data, error, refetch } = query;
  if (data !== undefined && data !== null) return children(data as NonNullable<T>);
  if (error) return <Failed error={error} retry={() => void refetch()} />;
  return <Skeleton active title={false} paragraph={{ rows }} />;
}

export function NotFound() {
  const { t } = useTranslation();
  return <Result status="404" title={t("common.notFound")} extra={<Link to="/">{t("common.home")}</Link>} />;
}

export function Broken({ error }: { error: unknown }) {
  const { t } = useTranslation();
  return (
    <Result
      status="error"
      title={t("common.broken", { detail: String(error) })}
      extra={<Button onClick={() => location.reload()}>{t("common.retry")}</Button>}
    />
  );
}

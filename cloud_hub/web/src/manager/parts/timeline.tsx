/** What happened, newest first, in plain sentences. */
import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Button, Skeleton } from "antd";
import { useTranslation } from "react-i18next";
import { ALL, eventsQuery, type TimelineItem } from "../api.ts";
import { sentenceOf, when } from "../words.ts";
import { Failed, Nothing } from "./notices.tsx";
import { Why } from "./why.tsx";

export function Timeline({ station, names, max }: { station: string; names?: Map<string, string>; max?: number }) {
  const { t } = useTranslation();
  const query = useInfiniteQuery(eventsQuery(station));
  const items = query.data?.pages.flatMap((page) => page.items);
  if (items === undefined) {
    return query.error ? <Failed error={query.error} retry={() => void query.refetch()} /> : <Skeleton active title={false} />;
  }
  if (items.length === 0) return <Nothing>{t("station.noEvents")}</Nothing>;
  const shown = items.filter((item) => item.kind !== "command.progress").slice(0, max);
  return (
    <>
      <ol className="timeline" data-testid="timeline">
        {shown.map((item) => (
          <Line key={item.id} item={item} station={station === ALL ? (names?.get(item.station) ?? item.station) : null} />
        ))}
      </ol>
      {max === undefined && query.hasNextPage && (
        <Button block loading={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>
          {t("common.more")}
        </Button>
      )}
    </>
  );
}

function Line({ item, station }: { item: TimelineItem; station: string | null }) {
  const { t } = useTranslation();
  const { text, tone, detail } = sentenceOf(t, item);
  return (
    <li className={tone} data-kind={item.kind}>
      <time dateTime={item.at}>{when(item.at)}</time>
      <span>
        {station !== null && (
          <Link to="/stations/$station" params={{ station: item.station }} className="where">
            {station}
          </Link>
        )}
        {text}
        {detail && <small>{detail}</small>}
        {item.kind === "access.decided" && (
          <Why
            steps={item.why}
            granted={item.body.outcome === "granted"}
            unchecked={item.body.remarks?.includes("times_unchecked") ?? false}
          />
        )}
      </span>
    </li>
  );
}

/** What was ordered at a station, by whom and why, and what became of it. */
import { useMutation, useQuery } from "@tanstack/react-query";
import { App, Button } from "antd";
import { useContext } from "react";
import { useTranslation } from "react-i18next";
import { type Command, commandsQuery, confirmCommand, isUnconfirmed, type StationDetail } from "../api.ts";
import { when } from "../words.ts";
import { CurrentUser, useMayAct } from "../session.tsx";
import { Loaded, Nothing, useProblemText } from "./notices.tsx";
import { ScrollCard } from "./scroll_card.tsx";
import { commandTone, Dot } from "./status.tsx";

export function CommandsCard({ station }: { station: StationDetail }) {
  const { t } = useTranslation();
  const query = useQuery(commandsQuery(station.id));
  return (
    <ScrollCard title={t("station.commands")}>
      <Loaded query={query}>
        {(commands) =>
          commands.length === 0 ? (
            <Nothing>{t("station.noCommands")}</Nothing>
          ) : (
            <ul className="commands" data-testid="commands">
              {commands.map((command) => (
                <Row key={command.id} command={command} />
              ))}
            </ul>
          )
        }
      </Loaded>
    </ScrollCard>
  );
}

function Row({ command }: { command: Command }) {
  const { t } = useTranslation();
  const user = useContext(CurrentUser);
  const mayAct = useMayAct();
  const { message } = App.useApp();
  const problem = useProblemText();
  const confirming = useMutation({
    mutationFn: () => confirmCommand(command.id),
    onError: (error) => void message.error(problem(error)),
  });
  const text = command.kind === "sign.text" ? `“${String(command.order["text"] ?? "")}”` : "";
  return (
    <li>
      <time dateTime={command.issued_at}>{when(command.issued_at)}</time>
      <span>
        <b>{t(`command.${command.kind}`)}</b> {text}
        <small>
          {command.actor} · {command.reason}
          {command.confirmer !== null && ` · ${t("rules.second.by", { who: command.confirmer })}`}
          {command.status !== "done" && command.detail && ` · ${command.detail}`}
        </small>
      </span>
      {isUnconfirmed(command) && mayAct && user?.user !== command.actor && (
        <Button size="small" type="primary" danger loading={confirming.isPending} onClick={() => confirming.mutate()} data-testid="confirm-command">
          {t("rules.second.confirm")}
        </Button>
      )}
      <Dot tone={commandTone(command.status)}>{t(`status.${command.status}`)}</Dot>
    </li>
  );
}

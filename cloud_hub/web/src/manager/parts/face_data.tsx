/** What is known of a member's face: where it is, by which consent, and what each station answered when asked to erase it. */
import { queryOptions, useQuery, useQueryClient } from "@tanstack/react-query";
import { App, Button, Modal } from "antd";
import { useTranslation } from "react-i18next";
import { eraseFace, type Erasure, type FaceData, faceData, type Member } from "../api.ts";
import { day, moment } from "../words.ts";
import { Failed, Nothing, useProblemText } from "./notices.tsx";
import { Dot } from "./status.tsx";

const WAITING_MS = 2000; // the proof is seen soon after the station has answered

export const faceDataQuery = (member: string) =>
  queryOptions({
    queryKey: ["face", member],
    queryFn: () => faceData(member),
    refetchInterval: (query) => (query.state.data?.erasures.some((one) => one.receipt === null) ? WAITING_MS : false),
  });

export function FaceDataDialog({ member, mayErase, close }: { member: Member; mayErase: boolean; close: () => void }) {
  const { t } = useTranslation();
  const query = useQuery(faceDataQuery(member.id));
  const ask = useEraseFace();
  const data = query.data;
  return (
    <Modal open title={t("face.dataTitle", { name: member.name })} onCancel={close} footer={null} width={640}>
      {data === undefined && query.error && <Failed error={query.error} retry={() => void query.refetch()} />}
      {data && <Enrolled data={data} />}
      {data && data.erasures.length > 0 && <Proofs erasures={data.erasures} />}
      {data && data.faces.length > 0 && mayErase && (
        <Button danger block onClick={() => ask(member)}>
          {t("face.erase")}
        </Button>
      )}
    </Modal>
  );
}

function Enrolled({ data }: { data: FaceData }) {
  const { t } = useTranslation();
  if (data.faces.length === 0) return <Nothing>{t("face.nowhere")}</Nothing>;
  return (
    <section>
      <h3>{t("face.where")}</h3>
      <ul className="face-list">
        {data.faces.map((face) => (
          <li key={face.station}>
            <b>{face.station_name}</b>
            <span>{t("face.templates", { count: face.templates, until: day(face.consent_until) })}</span>
            <small className="dim">{data.consents.find((one) => one.station === face.station)?.purpose}</small>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Proofs({ erasures }: { erasures: Erasure[] }) {
  const { t } = useTranslation();
  return (
    <section>
      <h3>{t("face.proofs")}</h3>
      <ul className="face-list">
        {erasures.map((one) => (
          <li key={one.id} data-testid="erasure" data-done={one.receipt !== null}>
            <b>{one.station_name}</b>
            {one.receipt ? (
              <Dot tone="good">{t("face.doneAt", { at: moment(one.receipt.at), count: one.receipt.templates })}</Dot>
            ) : (
              <Dot tone="warn">{t("face.waitingSince", { at: moment(one.asked_at) })}</Dot>
            )}
            <small className="dim">
              {t(`face.why.${one.why}`)}
              {one.asked_by && ` · ${one.asked_by}`}
              {one.receipt && ` · ${t("face.chain", { seq: one.receipt.seq, chain: one.receipt.chain?.slice(0, 16) ?? "–" })}`}
            </small>
          </li>
        ))}
      </ul>
    </section>
  );
}

/** Asks, then orders the erasure at every station; each one's receipt comes when it is online. */
export function useEraseFace(): (member: Member, done?: () => void) => void {
  const { t } = useTranslation();
  const { modal, message } = App.useApp();
  const client = useQueryClient();
  const text = useProblemText();
  return (member, done) =>
    void modal.confirm({
      title: t("face.eraseAsk", { name: member.name }),
      content: t("face.eraseSay"),
      okText: t("face.erase"),
      okButtonProps: { danger: true },
      onOk: async () => {
        try {
          client.setQueryData(faceDataQuery(member.id).queryKey, await eraseFace(member.id));
          done?.();
          await client.invalidateQueries({ queryKey: ["members"] });
        } catch (error) {
          void message.error(text(error));
        }
      },
    });
}

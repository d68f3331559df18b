/** Members: finding, adding, suspending, their phones and faces. */
import { MoreOutlined, PlusOutlined } from "@ant-design/icons";
import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { App, Button, Card, Dropdown, Input, Skeleton } from "antd";
import { useDeferredValue, useState } from "react";
import { useTranslation } from "react-i18next";
import { changeMember, type Member, membersQuery, stationsQuery } from "../api.ts";
import { AddMember } from "../parts/add_member.tsx";
import { EnrolFace } from "../parts/face.tsx";
import { FaceDataDialog, useEraseFace } from "../parts/face_data.tsx";
import { Failed, Nothing, useProblemText } from "../parts/notices.tsx";
import { PhoneLink } from "../parts/phone_link.tsx";
import { Dot } from "../parts/status.tsx";
import { useMayAct } from "../session.tsx";
import { day } from "../words.ts";

type Dialog = { kind: "phone" | "face" | "faceData"; member: Member } | { kind: "add" } | null;

export function MembersPage() {
  const { t } = useTranslation();
  const mayAct = useMayAct();
  const [wanted, setWanted] = useState("");
  const [dialog, setDialog] = useState<Dialog>(null);
  const query = useInfiniteQuery(membersQuery(useDeferredValue(wanted.trim())));
  const members = query.data?.pages.flatMap((page) => page.items);
  const close = () => setDialog(null);
  return (
    <>
      <div className="page-head">
        <h1>{t("members.title")}</h1>
        <Input.Search
          allowClear
          placeholder={t("members.search")}
          aria-label={t("members.search")}
          value={wanted}
          onChange={(event) => setWanted(event.target.value)}
        />
        {mayAct && (
          <Button type="primary" icon={<PlusOutlined />} onClick={() => setDialog({ kind: "add" })} data-testid="add-member">
            {t("members.add")}
          </Button>
        )}
      </div>
      <Card className="members-card">
        {members === undefined && (query.error ? <Failed error={query.error} retry={() => void query.refetch()} /> : <Skeleton active />)}
        {members?.length === 0 && <Nothing>{t(wanted === "" ? "members.empty" : "members.noMatch")}</Nothing>}
        {members !== undefined && members.length > 0 && <List members={members} show={setDialog} />}
        {query.hasNextPage && (
          <Button block loading={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>
            {t("common.more")}
          </Button>
        )}
      </Card>
      {dialog?.kind === "add" && <AddMember close={close} />}
      {dialog?.kind === "phone" && <PhoneLink member={dialog.member} close={close} />}
      {dialog?.kind === "faceData" && <FaceDataDialog member={dialog.member} mayErase={mayAct} close={close} />}
      {dialog?.kind === "face" && <EnrolFace member={dialog.member} close={close} />}
    </>
  );
}

/** A table where there is room; on a phone the style sheet turns each row into a card. */
function List({ members, show }: { members: Member[]; show: (dialog: Dialog) => void }) {
  const { t } = useTranslation();
  const heads = ["name", "occupation", "state", "validUntil", "phones", "faces", "actions"] as const;
  return (
    <table className="members">
      <thead>
        <tr>
          {heads.map((head) => (
            <th key={head} scope="col">
              {t(`members.${head}`)}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {members.map((member) => (
          <Row key={member.id} member={member} show={show} />
        ))}
      </tbody>
    </table>
  );
}

function Row({ member, show }: { member: Member; show: (dialog: Dialog) => void }) {
  const { t } = useTranslation();
  const { data: stations = [] } = useQuery(stationsQuery);
  const stationName = (id: string) => stations.find((station) => station.id === id)?.name ?? id;
  const until = member.valid_until === null ? t("members.always") : day(member.valid_until);
  return (
    <tr data-member={member.id}>
      <th scope="row">
        {member.name}
        <small className="dim">{member.id}</small>
      </th>
      <td data-label={t("members.occupation")}>{t(`occupation.${member.occupation}`)}</td>
      <td data-label={t("members.state")}>
        <Dot tone={member.active ? "good" : "warn"}>{t(member.active ? "members.active" : "members.suspended")}</Dot>
      </td>
      <td data-label={t("members.validUntil")}>{until}</td>
      <td data-label={t("members.phones")}>{t("members.phoneCount", { count: member.phones })}</td>
      <td data-label={t("members.faces")}>
        {member.faces.length === 0
          ? t("members.noFace")
          : member.faces.map((face) => (
              <span key={face.station} className="face-line">
                {t("members.faceAt", { station: stationName(face.station), until: day(face.consent_until) })}
              </span>
            ))}
        {member.face_erasures_waiting! > 0 && (
          <span className="face-line">
            <Dot tone="warn">{t("members.erasing", { count: member.face_erasures_waiting })}</Dot>
          </span>
        )}
      </td>
      <td className="actions">
        <Actions member={member} show={show} />
      </td>
    </tr>
  );
}

interface ActionsProps {
  member: Member;
  show: (dialog: Dialog) => void;
}

function Actions({ member, show }: ActionsProps) {
  const { t } = useTranslation();
  const mayAct = useMayAct();
  const client = useQueryClient();
  const { modal, message } = App.useApp();
  const text = useProblemText();
  const eraseFace = useEraseFace();
  const changing = useMutation({
    mutationFn: (active: boolean) => changeMember(member.id, { active }),
    onSuccess: () => {
      void message.success(t("members.saved"));
      void client.invalidateQueries({ queryKey: ["members"] });
    },
    onError: (error) => void message.error(text(error)),
  });
  const suspend = () =>
    void modal.confirm({
      title: t("members.suspendAsk", { name: member.name }),
      content: t("members.suspendSay"),
      okText: t("members.suspend"),
      okButtonProps: { danger: true },
      onOk: () => changing.mutateAsync(false),
    });
  if (!mayAct) return null;
  const askErase = () => eraseFace(member, () => show({ kind: "faceData", member })); // where each receipt will be seen
  return (
    <>
      <Button size="small" onClick={() => show({ kind: "phone", member })} disabled={!member.active}>
        {t("members.phone")}
      </Button>
      <Dropdown
        trigger={["click"]}
        menu={{
          items: [
            { key: "enrol", label: t("face.enrol"), disabled: !member.active, onClick: () => show({ kind: "face", member }) },
            { key: "faceData", label: t("face.data"), onClick: () => show({ kind: "faceData", member }) },
            { key: "erase", danger: true, label: t("face.erase"), disabled: member.faces.length === 0, onClick: askErase },
            member.active
              ? { key: "suspend", danger: true, label: t("members.suspend"), onClick: suspend }
              : { key: "restore", label: t("members.restore"), onClick: () => changing.mutate(true) },
          ],
        }}
      >
        <Button size="small" icon={<MoreOutlined />} aria-label={`${t("members.actions")}: ${member.name}`} data-testid="member-more" />
      </Dropdown>
    </>
  );
}

/** A new station: its profile goes to the hub, its claim code comes back. */
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { Alert, Button, Card } from "antd";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { addStationFile, type Claim } from "../api.ts";
import { ClaimShown } from "../parts/claim.tsx";
import { useProblemText } from "../parts/notices.tsx";
import "./identity.css";

export function AddStationPage() {
  const { t } = useTranslation();
  const text = useProblemText();
  const client = useQueryClient();
  const navigate = useNavigate();
  const [file, setFile] = useState<File | null>(null);
  const [claim, setClaim] = useState<Claim | null>(null);
  const adding = useMutation({
    mutationFn: async (chosen: File) => addStationFile({ name: chosen.name, text: await chosen.text() }),
    onSuccess: (made) => {
      void client.invalidateQueries({ queryKey: ["stations"] });
      setClaim(made);
    },
  });
  return (
    <Card title={t("identity.add")}>
      <div className="claim">
        <p>{t("identity.addSay")}</p>
        <label>
          {t("identity.file")}{" "}
          <input
            type="file"
            accept=".toml,.json"
            data-testid="profile"
            onChange={(event) => setFile(event.target.files?.[0] ?? null)}
          />
        </label>
        {adding.error && <Alert type="error" showIcon title={text(adding.error)} />}
        <Button
          type="primary"
          disabled={file === null}
          loading={adding.isPending}
          onClick={() => file !== null && adding.mutate(file)}
          data-testid="add-station"
        >
          {t("identity.add")}
        </Button>
      </div>
      {claim !== null && (
        <ClaimShown
          claim={claim}
          close={() => void navigate({ to: "/stations/$station/identity", params: { station: claim.station } })}
        />
      )}
    </Card>
  );
}

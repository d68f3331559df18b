/** Every question that the station asked of one attempt, and what helps where it said no. `unchecked`: what depends on
 * the time was not asked, because the station's clock could not be believed. */
import { useTranslation } from "react-i18next";
import type { Answer, WhyStep } from "../../client";

const SIGN: Record<Answer, string> = { yes: "✓", no: "✗", not_asked: "–" };

export function Why({ steps, granted, unchecked }: { steps: WhyStep[]; granted: boolean; unchecked: boolean }) {
  const { t } = useTranslation();
  const wrong = steps.find((step) => step.answer === "no");
  return (
    <details className="why" data-testid="why">
      <summary>{granted ? t("why.granted") : t("why.title")}</summary>
      <ol>
        {steps.map((step) => (
          <li key={step.question} className={step.answer}>
            <span aria-hidden="true">{SIGN[step.answer]}</span>
            <span>{t(`why.question.${step.question}`)}</span>
            <small>{t(`why.answer.${step.answer}`)}</small>
          </li>
        ))}
      </ol>
      {unchecked && <p>{t("why.unchecked")}</p>}
      {wrong && (
        <p>
          <b>{t("why.help")}</b> {t(`why.remedy.${wrong.question}`)}
        </p>
      )}
    </details>
  );
}

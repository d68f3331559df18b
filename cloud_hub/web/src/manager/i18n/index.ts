/** i18next with typed keys: `t("reason.code_expired")`; a key that does not exist does not compile. */
import dayjs from "dayjs";
import "dayjs/locale/zh-cn";
import i18next from "i18next";
import { initReactI18next } from "react-i18next";
import { applyLanguage, chooseLanguage, currentLanguage, type Language } from "../../plain/language.ts";
import { en } from "./en.ts";
import { type Words, zh } from "./zh.ts";

declare module "i18next" {
  interface CustomTypeOptions {
    defaultNS: "translation";
    resources: { translation: Words };
    returnNull: false;
  }
}

export function startLanguage(): void {
  const language = currentLanguage();
  void i18next.use(initReactI18next).init({
    lng: language,
    fallbackLng: "zh",
    resources: { zh: { translation: zh }, en: { translation: en } },
    interpolation: { escapeValue: false },
    returnObjects: true,
  });
  settle(language);
}

export function switchLanguage(): void {
  const language: Language = i18next.language === "zh" ? "en" : "zh";
  chooseLanguage(language);
  settle(language);
  void i18next.changeLanguage(language);
}

function settle(language: Language): void {
  applyLanguage(language);
  dayjs.locale(language === "zh" ? "zh-cn" : "en");
}

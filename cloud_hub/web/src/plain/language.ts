/** Which language the page speaks: Chinese first, the choice is remembered. */

export type Language = "zh" | "en";
const KEY = "yizhan.language";

export function currentLanguage(): Language {
  return localStorage.getItem(KEY) === "en" ? "en" : "zh";
}

export function chooseLanguage(language: Language): void {
  localStorage.setItem(KEY, language);
  applyLanguage(language);
}

export function applyLanguage(language: Language): void {
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
}

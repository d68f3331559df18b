/** The groups of workers that the union counts separately, as all three pages call them. */
import type { Language } from "./language.ts";

export const OCCUPATIONS: Record<Language, Record<string, string>> = {
  zh: {
    sanitation: "环卫工人",
    courier: "快递员",
    rider: "外卖骑手",
    driver: "司机",
    traffic_police: "交警辅警",
    security: "保安",
    construction: "建筑工人",
    other: "其他",
  },
  en: {
    sanitation: "sanitation worker",
    courier: "courier",
    rider: "delivery rider",
    driver: "driver",
    traffic_police: "traffic officer",
    security: "security guard",
    construction: "construction worker",
    other: "other",
  },
};

/** An occupation that this page does not know yet is shown as it came. */
export function occupationName(language: Language, occupation: string): string {
  return OCCUPATIONS[language][occupation] ?? occupation;
}

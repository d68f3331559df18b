/** A card whose content scrolls within it, by keyboard too. */
import { Card } from "antd";
import type { ReactNode } from "react";

export function ScrollCard({ title, children }: { title: string; children: ReactNode }) {
  return (
    <Card title={title}>
      <section className="scrolling" tabIndex={0} aria-label={title}>
        {children}
      </section>
    </Card>
  );
}

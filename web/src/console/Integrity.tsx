// Whether the books are what they should be.
import { useQuery } from "@tanstack/react-query";
import { api, asked, type Schemas } from "../api/client";
import { When } from "../parts/time";
import { Badge, Failure, Note, Skeleton, useTitle } from "../parts/ui";
import { words as all } from "../text/console";
import { Stale } from "./shared";

const words = all.integrity;

type State = Schemas["Integrity"];

export function IntegrityFacts({ integrity }: { integrity: State }) {
  const { safe_mode: safeMode, audit, last_checkpoint: checkpoint } = integrity;
  return (
    <dl className="facts padded-text">
      <dt>{words.safe}</dt>
      <dd>
        <Badge look={safeMode ? "bad" : "good"} dot>
          {safeMode ? words.stopped : words.moves}
        </Badge>
      </dd>
      <dt>{words.audit}</dt>
      <dd>{words.auditNow(audit.entries)}</dd>
      <dt>{words.auditDone}</dt>
      <dd>{audit.completed_at ? <When time={audit.completed_at} /> : words.never}</dd>
      <dt>{words.checkpoint}</dt>
      <dd>
        {checkpoint ? (
          <>
            {words.tree(checkpoint.tree_size)}, <When time={checkpoint.made_at} />
          </>
        ) : (
          words.never
        )}
      </dd>
    </dl>
  );
}

export function IntegrityView() {
  useTitle(all.nav.integrity, all.name);
  const found = useQuery({
    queryKey: ["integrity"],
    queryFn: () => asked(api.GET("/admin/integrity")),
    refetchInterval: 5_000,
  });
  const { data, error, refetch } = found;
  return (
    <div className="stack narrow-desk">
      <h1>{words.title}</h1>
      {data?.safe_mode && (
        <Note look="bad" icon="alert">
          <strong>{words.stopped}</strong> {words.stoppedSince} <When time={data.safe_mode.entered_at} />: {data.safe_mode.reason}
        </Note>
      )}
      <section className="card" aria-label={words.title}>
        <header>
          <h2>{words.title}</h2>
          <Stale found={found} />
        </header>
        {error && !data ? (
          <Failure problem={error} retry={() => void refetch()} />
        ) : data ? (
          <IntegrityFacts integrity={data} />
        ) : (
          <Skeleton height="140px" />
        )}
      </section>
      <p className="quiet">{words.words}</p>
      <p className="quieter small">{words.command}</p>
    </div>
  );
}

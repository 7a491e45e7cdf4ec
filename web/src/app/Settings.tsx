// Oneself: profile, second factor, sessions, wallets, data.
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState, type ReactNode } from "react";
import { api, asked, download, type Schemas } from "../api/client";
import { endSession, useRefreshedSession, useSession } from "../api/session";
import { Money } from "../parts/money";
import { PasswordField } from "../parts/password";
import { navigate, ROOT } from "../parts/router";
import { When } from "../parts/time";
import { Avatar, Badge, Button, Dialog, Failure, ProblemNote, Skeleton, tell, useTitle } from "../parts/ui";
import { useWrong } from "../parts/wrong";
import { app } from "../text/app";
import { common } from "../text/common";
import { standingOf, useProfile, useWallets, type Profile } from "./data";
import { TextField } from "./Entrance";
import { useDraft } from "./payments";
import { SecondFactor, useFactor } from "./SecondFactor";

const words = app.settings;

export function Settings() {
  useTitle(words.title, app.name);
  const client = useQueryClient();
  const { user } = useSession();
  const [, setDraft] = useDraft();
  // All at once: a card that grows later would push those below it away.
  const waits = [useProfile(), useFactor(), useSessions(), useWallets()].some((each) => each.isPending);
  const leave = async () => {
    setDraft(null);
    // Whoever logs in next begins at the beginning.
    navigate("/", { replace: true });
    await endSession(client);
  };
  return (
    <div className="narrow-page stack">
      <div className="row apart">
        <h1>{words.title}</h1>
        <Button icon="out" onClick={() => void leave()}>
          {common.logOut}
        </Button>
      </div>
      {waits ? <Waiting /> : <Cards role={user.role} />}
    </div>
  );
}

function Waiting() {
  return (
    <div className="stack" aria-busy="true" aria-label={common.loading}>
      {[92, 168, 112, 160].map((height) => (
        <div key={height} className="card padded stack">
          <Skeleton width="40%" />
          <Skeleton height={`${height - 80}px`} />
        </div>
      ))}
    </div>
  );
}

function Cards({ role }: { role: string }) {
  return (
    <>
      <ProfileCard />
      {role !== "user" && (
        <a className="button plain" href={new URL("console", ROOT).href}>
          {words.console}
        </a>
      )}
      <Card title={words.security}>
        <SecondFactor />
        <ChangePassword />
      </Card>
      <Sessions />
      <Wallets />
      <Card title={words.yours}>
        <Row title={words.export} below={words.exportWords}>
          <Button
            size="compact"
            icon="download"
            onClick={() => void download("users/me/export", "wallet-export.json").catch((error: unknown) => tell(<ProblemNote problem={error} />))}
          >
            {app.statement.download}
          </Button>
        </Row>
      </Card>
    </>
  );
}

export function Card({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section className="card" aria-label={title}>
      <header>
        <h2>{title}</h2>
      </header>
      <div className="rows">{children}</div>
    </section>
  );
}

export function Row({ title, below, children }: { title: ReactNode; below?: ReactNode; children?: ReactNode }) {
  return (
    <div className="setting">
      <div className="grow">
        <p className="strong" dir="auto">
          {title}
        </p>
        {below && <p className="small quiet">{below}</p>}
      </div>
      {children}
    </div>
  );
}

function ProfileCard() {
  const { data, error, refetch } = useProfile();
  const [editing, setEditing] = useState(false);
  if (error && !data) return <Failure problem={error} retry={() => void refetch()} />;
  if (!data) return <Skeleton height="84px" />;
  return (
    <section className="card" aria-label={words.profile}>
      <div className="setting">
        <Avatar name={`${data.first_name} ${data.last_name}`} seed={data.id} size="large" />
        <div className="grow whose">
          <p className="strong" dir="auto">
            {data.first_name} {data.last_name}
          </p>
          <p className="small quiet row wrap">
            <span>{data.handle ? `@${data.handle}` : words.noHandle}</span> <span>{data.email}</span>
            <Badge look={data.email_verified ? "good" : "warn"}>
              {data.email_verified ? words.verified : words.unverified}
            </Badge>
          </p>
        </div>
        <Button size="compact" onClick={() => setEditing(true)}>
          {words.edit}
        </Button>
      </div>
      {editing && <EditProfile profile={data} onClose={() => setEditing(false)} />}
    </section>
  );
}

function EditProfile({ profile, onClose }: { profile: Profile; onClose: () => void }) {
  const client = useQueryClient();
  const refresh = useRefreshedSession();
  const [first, setFirst] = useState(profile.first_name);
  const [last, setLast] = useState(profile.last_name);
  const [handle, setHandle] = useState(profile.handle ?? "");
  const saving = useMutation({
    mutationFn: () => {
      const body: Schemas["ProfileBody"] = { first_name: first, last_name: last };
      const wanted = handle.replace(/^@/, "").toLowerCase();
      if (wanted && wanted !== profile.handle) body.handle = wanted;
      return asked(api.PATCH("/users/me", { body }));
    },
    onSuccess: async (saved) => {
      client.setQueryData(["profile"], saved);
      await refresh();
      onClose();
    },
  });
  const [wrong, otherwise] = useWrong(saving.error, "first_name", "last_name", "handle");
  return (
    <Dialog title={words.profile} onClose={onClose}>
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          saving.mutate();
        }}
      >
        <TextField label={app.entrance.firstName} autoComplete="given-name" required maxLength={100} value={first} wrong={wrong.first_name} onChange={setFirst} />
        <TextField label={app.entrance.lastName} autoComplete="family-name" required maxLength={100} value={last} wrong={wrong.last_name} onChange={setLast} />
        <TextField label={words.handle} hint={app.entrance.handleHint} autoComplete="off" maxLength={31} value={handle} wrong={wrong.handle} onChange={setHandle} />
        <ProblemNote problem={otherwise} />
        <Button look="main" full type="submit" busy={saving.isPending}>
          {common.save}
        </Button>
      </form>
    </Dialog>
  );
}

function ChangePassword() {
  const client = useQueryClient();
  const [open, setOpen] = useState(false);
  const [current, setCurrent] = useState("");
  const [next, setNext] = useState("");
  const changing = useMutation({
    mutationFn: () =>
      asked(api.POST("/users/me/password", { body: { current_password: current, new_password: next } })),
    onSuccess: () => {
      setOpen(false);
      setCurrent("");
      setNext("");
      tell(words.changed);
      return client.invalidateQueries({ queryKey: ["sessions"] });
    },
  });
  const [wrong, otherwise] = useWrong(changing.error, "current_password", "new_password");
  return (
    <Row title={common.password}>
      <Button size="compact" onClick={() => setOpen(true)}>
        {words.change}
      </Button>
      {open && (
        <Dialog title={words.change} onClose={() => setOpen(false)}>
          <form
            className="stack"
            onSubmit={(event) => {
              event.preventDefault();
              changing.mutate();
            }}
          >
            <PasswordField label={words.currentPassword} value={current} wrong={wrong.current_password} onChange={setCurrent} />
            <PasswordField label={words.newPassword} isNew hint={app.entrance.passwordHint} value={next} wrong={wrong.new_password} onChange={setNext} />
            <ProblemNote problem={otherwise} />
            <Button look="main" full type="submit" busy={changing.isPending}>
              {common.save}
            </Button>
          </form>
        </Dialog>
      )}
    </Row>
  );
}

function deviceOf(agent: string | null): string {
  if (!agent) return "?";
  const browser = /(Firefox|Edg|OPR|Chrome|Safari|curl)\b/.exec(agent)?.[1];
  const system = /(Windows|Android|iPhone|iPad|Mac OS X|Linux|CrOS)/.exec(agent)?.[1];
  if (!browser && !system) return agent.slice(0, 40);
  return [browser?.replace("Edg", "Edge").replace("OPR", "Opera"), system?.replace("Mac OS X", "macOS")].filter(Boolean).join(" · ");
}

function useSessions() {
  return useQuery({
    queryKey: ["sessions"],
    queryFn: async () => (await asked(api.GET("/users/me/sessions"))).items,
  });
}

function Sessions() {
  const client = useQueryClient();
  const { data, error, refetch } = useSessions();
  const ending = useMutation({
    mutationFn: (id: string) =>
      asked(api.DELETE("/users/me/sessions/{session_id}", { params: { path: { session_id: id } } })),
    onSuccess: () => {
      tell(words.ended);
      return client.invalidateQueries({ queryKey: ["sessions"] });
    },
  });
  return (
    <Card title={words.sessions}>
      {error && !data ? (
        <Failure problem={error} retry={() => void refetch()} />
      ) : !data ? (
        <div className="setting">
          <Skeleton height="40px" />
        </div>
      ) : (
        data.map((session) => (
          <Row
            key={session.id}
            title={deviceOf(session.user_agent)}
            below={
              <>
                {session.address} · {words.lastUsed} <When time={session.last_used_at} />
              </>
            }
          >
            {session.current ? (
              <Badge look="good">{words.thisOne}</Badge>
            ) : (
              <Button size="compact" busy={ending.isPending && ending.variables === session.id} onClick={() => ending.mutate(session.id)}>
                {words.end}
              </Button>
            )}
          </Row>
        ))
      )}
      {ending.error && (
        <div className="setting">
          <ProblemNote problem={ending.error} />
        </div>
      )}
    </Card>
  );
}

function Wallets() {
  const client = useQueryClient();
  const { data, error, refetch } = useWallets();
  const [currency, setCurrency] = useState("");
  const opening = useMutation({
    mutationFn: () => asked(api.POST("/wallets", { body: { currency: currency.trim().toUpperCase() } })),
    onSuccess: () => {
      setCurrency("");
      return client.invalidateQueries({ queryKey: ["wallets"] });
    },
  });
  return (
    <Card title={words.wallets}>
      {error && !data && <Failure problem={error} retry={() => void refetch()} />}
      {!error && !data && (
        <div className="setting">
          <Skeleton height="24px" />
        </div>
      )}
      {(data ?? []).map((wallet) => (
        <Row key={wallet.id} title={wallet.currency}>
          {standingOf(wallet) !== "none" && <Badge look="warn">{words.frozen[standingOf(wallet)] ?? standingOf(wallet)}</Badge>}
          <Money amount={wallet.available} currency={wallet.currency} />
        </Row>
      ))}
      <form
        className="setting"
        onSubmit={(event) => {
          event.preventDefault();
          opening.mutate();
        }}
      >
        <input
          className="input compact grow"
          aria-label={words.openWallet}
          autoCapitalize="characters"
          autoComplete="off"
          spellCheck={false}
          placeholder={words.currency}
          required
          maxLength={3}
          value={currency}
          onChange={(event) => setCurrency(event.target.value)}
        />
        <Button size="compact" type="submit" busy={opening.isPending}>
          {words.open}
        </Button>
      </form>
      {opening.error && (
        <div className="setting">
          <ProblemNote problem={opening.error} />
        </div>
      )}
    </Card>
  );
}

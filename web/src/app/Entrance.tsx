// The door: log-in with its second factor, sign-up, and a new password by mail.
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState, type FormEvent, type ReactNode } from "react";
import { api, asked, Problem } from "../api/client";
import { beginSession, endSession, useStillIn, type Credentials } from "../api/session";
import { CodeField, PasswordField } from "../parts/password";
import { Link, navigate, usePath, useQuery } from "../parts/router";
import { Sign } from "../parts/Sign";
import { Button, Field, Note, ProblemNote, useTitle } from "../parts/ui";
import { useWrong } from "../parts/wrong";
import { app } from "../text/app";
import { common } from "../text/common";


const words = app.entrance;

export function Entrance({ ended }: { ended: boolean }) {
  const path = usePath();
  if (path === "/signup") return <SignUp />;
  if (path === "/reset") return <Reset />;
  return <LogIn ended={ended} page={app.name} foot />;
}

interface DoorProps {
  title: string;
  page?: string;
  children: ReactNode;
  foot?: ReactNode;
}

export function Door({ title, page = app.name, children, foot }: DoorProps) {
  useTitle(title === page ? "" : title, page);
  return (
    <main className="door">
      <div className="card padded stack wide">
        <div className="stack tight">
          <Sign size={40} />
          <h1>{title}</h1>
        </div>
        {!window.isSecureContext && (
          <Note look="warn" icon="lock">
            <strong>{words.insecureTitle}</strong>
            <p>{words.insecure}</p>
          </Note>
        )}
        {children}
      </div>
      {foot && <p className="quiet small row wrap">{foot}</p>}
    </main>
  );
}

const submitted = (act: () => void) => (event: FormEvent) => {
  event.preventDefault();
  act();
};

/** A log-out that the service has not heard of is none. */
function StillIn() {
  const client = useQueryClient();
  if (!useStillIn()) return null;
  return (
    <div role="alert">
      <Note look="warn" icon="alert">
        <p>{common.stillIn}</p>
        <Button size="compact" onClick={() => void endSession(client)}>
          {common.logOutNow}
        </Button>
      </Note>
    </div>
  );
}

/** Log in; the code is asked for only from those who have a second factor. */
export function LogIn({ ended, page, foot }: { ended: boolean; page: string; foot?: boolean }) {
  const client = useQueryClient();
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const [otp, setOtp] = useState("");
  const entering = useMutation({
    mutationFn: (body: Credentials) => beginSession(client, body),
    onSuccess: () => {
      if (["/login", "/signup", "/reset"].includes(location.pathname.replace(/^.*\/app/, ""))) {
        navigate("/", { replace: true });
      }
    },
  });
  const code = entering.error instanceof Problem ? entering.error.code : "";
  const [needsCode, setNeedsCode] = useState(false);
  if (code === "second-factor-required" && !needsCode) setNeedsCode(true);
  const [wrong, otherwise] = useWrong(entering.error, "email", "password", "otp");
  const enter = () => entering.mutate(needsCode ? { email, password, otp: otp.trim() } : { email, password });
  if (needsCode) {
    return (
      <Door title={words.codeTitle} page={page}>
        <form className="stack" onSubmit={submitted(enter)}>
          <CodeField value={otp} wrong={wrong.otp} onChange={setOtp} />
          {code !== "second-factor-required" && <ProblemNote problem={otherwise} />}
          <Button look="main" size="large" full type="submit" busy={entering.isPending}>
            {common.logIn}
          </Button>
          <Button
            look="bare"
            onClick={() => {
              setNeedsCode(false);
              setOtp("");
              entering.reset();
            }}
          >
            {words.otherAccount}
          </Button>
        </form>
      </Door>
    );
  }
  const below = foot && (
    <>
      {words.noAccount} <Link to="/signup">{words.signUp}</Link>
    </>
  );
  return (
    <Door title={page === app.name ? words.logInTitle : page} page={page} foot={below}>
      <StillIn />
      <form className="stack" onSubmit={submitted(enter)}>
        {ended && <Note icon="clock">{words.ended}</Note>}
        <EmailField value={email} wrong={wrong.email} onChange={setEmail} />
        <PasswordField value={password} wrong={wrong.password} onChange={setPassword} />
        <ProblemNote problem={otherwise} />
        <Button look="main" size="large" full type="submit" busy={entering.isPending}>
          {common.logIn}
        </Button>
        {foot && (
          <Link className="small" to="/reset">
            {words.forgot}
          </Link>
        )}
      </form>
    </Door>
  );
}

interface EmailFieldProps {
  value: string;
  isNew?: boolean;
  wrong?: string | undefined;
  onChange: (value: string) => void;
}

function EmailField({ value, isNew, wrong, onChange }: EmailFieldProps) {
  return (
    <Field label={common.email} wrong={wrong}>
      {(attributes) => (
        <input
          {...attributes}
          className="input"
          type="email"
          autoComplete={isNew ? "email" : "username"}
          autoCapitalize="none"
          spellCheck={false}
          inputMode="email"
          required
          value={value}
          onChange={(event) => onChange(event.target.value)}
        />
      )}
    </Field>
  );
}

interface TextFieldProps {
  label: string;
  value: string;
  hint?: string;
  wrong?: string | undefined;
  autoCapitalize?: string;
  autoComplete?: string;
  required?: boolean;
  maxLength?: number;
  onChange: (value: string) => void;
}

export function TextField({ label, value, hint, wrong, onChange, ...rest }: TextFieldProps) {
  return (
    <Field label={label} hint={hint} wrong={wrong}>
      {(attributes) => (
        <input
          {...attributes}
          {...rest}
          className="input"
          dir="auto"
          value={value}
          onChange={(event) => onChange(event.target.value)}
        />
      )}
    </Field>
  );
}

function SignUp() {
  const client = useQueryClient();
  const [form, setForm] = useState({ first_name: "", last_name: "", handle: "", email: "", password: "" });
  const set = (name: keyof typeof form) => (value: string) => setForm({ ...form, [name]: value });
  const [joined, setJoined] = useState("");
  const signing = useMutation({
    mutationFn: async () => {
      const { handle, ...rest } = form;
      const body = handle ? { ...rest, handle: handle.replace(/^@/, "").toLowerCase() } : rest;
      // Joined once; what is repeated after a broken line is the log-in.
      if (joined !== form.email) await asked(api.POST("/users", { body }));
      setJoined(form.email);
      await beginSession(client, { email: form.email, password: form.password });
    },
    onSuccess: () => navigate("/", { replace: true }),
  });
  const [wrong, otherwise] = useWrong(signing.error, "first_name", "last_name", "handle", "email", "password");
  return (
    <Door
      title={words.signUpTitle}
      foot={
        <>
          {words.haveAccount} <Link to="/login">{common.logIn}</Link>
        </>
      }
    >
      <form className="stack" onSubmit={submitted(() => signing.mutate())}>
        <div className="pair">
          <TextField label={words.firstName} autoComplete="given-name" required maxLength={100} value={form.first_name} wrong={wrong.first_name} onChange={set("first_name")} />
          <TextField label={words.lastName} autoComplete="family-name" required maxLength={100} value={form.last_name} wrong={wrong.last_name} onChange={set("last_name")} />
        </div>
        <TextField label={words.handle} hint={words.handleHint} autoCapitalize="none" autoComplete="off" maxLength={31} value={form.handle} wrong={wrong.handle} onChange={set("handle")} />
        <EmailField isNew value={form.email} wrong={wrong.email} onChange={set("email")} />
        <PasswordField isNew hint={words.passwordHint} value={form.password} wrong={wrong.password} onChange={set("password")} />
        <ProblemNote problem={otherwise} />
        <Button look="main" size="large" full type="submit" busy={signing.isPending}>
          {words.signUp}
        </Button>
      </form>
    </Door>
  );
}

function Reset() {
  // The code may come while this page is closed: the mail leads to where it is entered.
  const [query] = useQuery();
  const [email, setEmail] = useState("");
  const [token, setToken] = useState("");
  const [password, setPassword] = useState("");
  const asking = useMutation({
    mutationFn: () => asked(api.POST("/password-resets", { body: { email } })),
    onSuccess: () => navigate("/reset?step=code"),
  });
  const setting = useMutation({
    mutationFn: () =>
      asked(api.POST("/password-resets/confirm", { body: { token: token.trim(), new_password: password } })),
  });
  const [wrong, otherwise] = useWrong(setting.error, "token", "new_password");
  const [unknown, unsent] = useWrong(asking.error, "email");
  const back = <Link to="/login">{words.backToLogIn}</Link>;
  if (setting.isSuccess) {
    return (
      <Door title={words.resetTitle} foot={back}>
        <Note look="good" icon="check">
          {words.resetDone}
        </Note>
      </Door>
    );
  }
  if (query.step === "code") {
    return (
      <Door title={words.resetTitle} foot={back}>
        <form className="stack" onSubmit={submitted(() => setting.mutate())}>
          {asking.isSuccess && <Note icon="info">{words.resetSent}</Note>}
          <TextField label={words.resetCode} required autoComplete="one-time-code" value={token} wrong={wrong.token} onChange={setToken} />
          <PasswordField isNew label={words.newPassword} hint={words.passwordHint} value={password} wrong={wrong.new_password} onChange={setPassword} />
          <ProblemNote problem={otherwise} />
          <Button look="main" size="large" full type="submit" busy={setting.isPending}>
            {common.save}
          </Button>
        </form>
      </Door>
    );
  }
  return (
    <Door title={words.resetTitle} foot={back}>
      <form className="stack" onSubmit={submitted(() => asking.mutate())}>
        <p className="quiet">{words.resetAsk}</p>
        <EmailField value={email} wrong={unknown.email} onChange={setEmail} />
        <ProblemNote problem={unsent} />
        <Button look="main" size="large" full type="submit" busy={asking.isPending}>
          {words.resetSend}
        </Button>
        <Link className="small" to="/reset?step=code">
          {words.resetHave}
        </Link>
      </form>
    </Door>
  );
}

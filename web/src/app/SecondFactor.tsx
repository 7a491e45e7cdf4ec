// The second factor: set up by QR code, kept by recovery codes, turned off only with a code.
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState, type FormEvent } from "react";
import { api, asked, type Schemas } from "../api/client";
import { useRefreshedSession, useSession } from "../api/session";
import { CodeField, PasswordField } from "../parts/password";
import { Badge, Button, Dialog, Failure, Identifier, Note, ProblemNote } from "../parts/ui";
import { useWrong } from "../parts/wrong";
import { app } from "../text/app";
import { Row } from "./Settings";

const words = app.settings;

export function useFactor() {
  return useQuery({
    queryKey: ["second-factor"],
    queryFn: () => asked(api.GET("/users/me/second-factor")),
  });
}

export function SecondFactor() {
  const { user } = useSession();
  const { data, error, refetch } = useFactor();
  const [open, setOpen] = useState<"set-up" | "codes" | "off" | null>(null);
  const close = () => setOpen(null);
  if (error && !data) return <Failure problem={error} retry={() => void refetch()} />;
  return (
    <>
      <Row title={words.factor} below={data ? (data.enabled ? words.factorOn(data.recovery_codes_left) : words.factorOff) : "\u00a0"}>
        {data?.enabled ? (
          <>
            <Button size="compact" onClick={() => setOpen("codes")}>
              {words.codesNew}
            </Button>
            <Button size="compact" onClick={() => setOpen("off")}>
              {words.factorOffDo}
            </Button>
          </>
        ) : (
          data && (
            <Button size="compact" look="main" onClick={() => setOpen("set-up")}>
              {words.factorStart}
            </Button>
          )
        )}
      </Row>
      {data && !data.enabled && user.role !== "user" && (
        <div className="setting">
          <Badge look="warn">{words.factorStaff}</Badge>
        </div>
      )}
      {open === "set-up" && <SetUp onClose={close} />}
      {open === "codes" && <NewCodes onClose={close} />}
      {open === "off" && <TurnOff onClose={close} />}
    </>
  );
}

const submitted = (act: () => void) => (event: FormEvent) => {
  event.preventDefault();
  act();
};

function useFactorChanged(): () => Promise<void> {
  const client = useQueryClient();
  const refresh = useRefreshedSession();
  return async () => {
    await client.invalidateQueries({ queryKey: ["second-factor"] });
    await refresh();
  };
}

export function SetUp({ onClose }: { onClose: () => void }) {
  const changed = useFactorChanged();
  const [password, setPassword] = useState("");
  const [otp, setOtp] = useState("");
  const beginning = useMutation({
    mutationFn: () => asked(api.POST("/users/me/second-factor", { body: { password } })),
  });
  const confirming = useMutation({
    mutationFn: () => asked(api.POST("/users/me/second-factor/confirm", { body: { otp: otp.trim() } })),
  });
  const [wrong, otherwise] = useWrong(beginning.data ? confirming.error : beginning.error, "password", "otp");
  const done = () => void changed().then(onClose);
  if (confirming.data) return <Codes codes={confirming.data.recovery_codes} onClose={done} />;
  return (
    <Dialog title={words.factorTitle} onClose={onClose}>
      {beginning.data ? (
        <form className="stack" onSubmit={submitted(() => confirming.mutate())}>
          <Enrolment enrolment={beginning.data} />
          <CodeField digitsOnly value={otp} wrong={wrong.otp} onChange={setOtp} />
          <ProblemNote problem={otherwise} />
          <Button look="main" full type="submit" busy={confirming.isPending}>
            {words.factorConfirm}
          </Button>
        </form>
      ) : (
        <form className="stack" onSubmit={submitted(() => beginning.mutate())}>
          <PasswordField hint={words.factorPassword} value={password} wrong={wrong.password} onChange={setPassword} />
          <ProblemNote problem={otherwise} />
          <Button look="main" full type="submit" busy={beginning.isPending}>
            {words.factorStart}
          </Button>
        </form>
      )}
    </Dialog>
  );
}

function Enrolment({ enrolment }: { enrolment: Schemas["EnrolmentAnswer"] }) {
  return (
    <div className="stack centered">
      <p>{words.factorScan}</p>
      {/* As an image: what the service answers never becomes markup of this page. */}
      <img className="qr" alt={words.factorScan} src={`data:image/svg+xml,${encodeURIComponent(enrolment.qr_svg)}`} />
      <p className="small quiet">
        {words.factorSecret} <Identifier id={enrolment.secret} whole />
      </p>
    </div>
  );
}

function Codes({ codes, onClose }: { codes: string[]; onClose: () => void }) {
  const save = () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([`${codes.join("\n")}\n`], { type: "text/plain" }));
    link.download = "wallet-recovery-codes.txt";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  };
  return (
    <Dialog once title={words.codesTitle} onClose={onClose}>
      <div className="stack">
        <Note look="warn" icon="alert">
          {words.codesWords}
        </Note>
        <ul className="codes">
          {codes.map((code) => (
            <li key={code}>{code}</li>
          ))}
        </ul>
        <div className="buttons">
          <Button icon="download" onClick={save}>
            {words.codesDownload}
          </Button>
          <Button look="main" onClick={onClose}>
            {words.codesKept}
          </Button>
        </div>
      </div>
    </Dialog>
  );
}

function NewCodes({ onClose }: { onClose: () => void }) {
  const changed = useFactorChanged();
  const [password, setPassword] = useState("");
  const [otp, setOtp] = useState("");
  const making = useMutation({
    mutationFn: () =>
      asked(api.POST("/users/me/second-factor/recovery-codes", { body: { password, otp: otp.trim() } })),
  });
  const [wrong, otherwise] = useWrong(making.error, "password", "otp");
  if (making.data) return <Codes codes={making.data.recovery_codes} onClose={() => void changed().then(onClose)} />;
  return (
    <Dialog title={words.codesNew} onClose={onClose}>
      <form className="stack" onSubmit={submitted(() => making.mutate())}>
        <PasswordField value={password} wrong={wrong.password} onChange={setPassword} />
        <CodeField value={otp} wrong={wrong.otp} onChange={setOtp} />
        <ProblemNote problem={otherwise} />
        <Button look="main" full type="submit" busy={making.isPending}>
          {words.codesNew}
        </Button>
      </form>
    </Dialog>
  );
}

function TurnOff({ onClose }: { onClose: () => void }) {
  const changed = useFactorChanged();
  const [password, setPassword] = useState("");
  const [otp, setOtp] = useState("");
  const ending = useMutation({
    mutationFn: () => asked(api.DELETE("/users/me/second-factor", { body: { password, otp: otp.trim() } })),
    onSuccess: () => void changed().then(onClose),
    // It may have been turned off elsewhere.
    onError: () => void changed(),
  });
  const [wrong, otherwise] = useWrong(ending.error, "password", "otp");
  return (
    <Dialog title={words.factorOffTitle} onClose={onClose}>
      <form className="stack" onSubmit={submitted(() => ending.mutate())}>
        <PasswordField value={password} wrong={wrong.password} onChange={setPassword} />
        <CodeField value={otp} wrong={wrong.otp} onChange={setOtp} />
        <ProblemNote problem={otherwise} />
        <Button look="danger" full type="submit" busy={ending.isPending}>
          {words.factorOffDo}
        </Button>
      </form>
    </Dialog>
  );
}

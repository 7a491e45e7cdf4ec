// One's own code: whoever scans it is led to paying this person.
import { useMemo, useState } from "react";
import { encode } from "uqr";
import { useSession } from "../api/session";
import { addressOf, Link } from "../parts/router";
import { Avatar, Button, copyText, Empty, useTitle } from "../parts/ui";
import { app } from "../text/app";
import { common } from "../text/common";

const words = app.receive;
const LOCAL = /^(localhost|127\.|\[::1\])/;

export function Receive() {
  useTitle(words.title, app.name);
  const { user } = useSession();
  const [copied, setCopied] = useState<boolean | null>(null);
  if (!user.handle) {
    return (
      <Empty icon="qr" title={words.title}>
        <p>{words.noHandle}</p>
        <Link className="button main" to="/settings">
          {words.choose}
        </Link>
      </Empty>
    );
  }
  const link = new URL(addressOf(`/send?to=${user.handle}`), location.href).href;
  const copy = async () => setCopied(await copyText(link));
  return (
    <div className="narrow-page stack wide">
      <h1>{words.title}</h1>
      <div className="card padded stack centered">
        <Avatar name={`${user.first_name} ${user.last_name}`} seed={user.id} size="large" />
        <div>
          <p className="strong" dir="auto">
            {user.first_name} {user.last_name}
          </p>
          <p className="quiet">@{user.handle}</p>
        </div>
        <Qr text={link} label={words.label(user.handle)} />
        <p className="small quiet">{words.words}</p>
        {/* Where the browser lets nobody copy, the link can be read and marked. */}
        <p className="small address" hidden={copied !== false}>
          {link}
        </p>
        {LOCAL.test(location.hostname) && <p className="tiny quieter">{words.local}</p>}
        <div className="row wrap">
          <Button icon={copied ? "check" : "copy"} onClick={() => void copy()}>
            {copied ? common.copied : words.copyLink}
          </Button>
          {"share" in navigator && (
            <Button icon="out" onClick={() => void navigator.share({ url: link }).catch(() => undefined)}>
              {words.share}
            </Button>
          )}
        </div>
      </div>
    </div>
  );
}

export function Qr({ text, label }: { text: string; label: string }) {
  const { size, path } = useMemo(() => {
    const { data, size } = encode(text, { ecc: "M", border: 0 });
    let path = "";
    data.forEach((line, y) => line.forEach((dark, x) => (path += dark ? `M${x} ${y}h1v1h-1z` : "")));
    return { size, path };
  }, [text]);
  return (
    <svg className="qr" viewBox={`0 0 ${size} ${size}`} role="img" aria-label={label} shapeRendering="crispEdges">
      <path d={path} />
    </svg>
  );
}

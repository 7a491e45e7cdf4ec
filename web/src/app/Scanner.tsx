// Scanning somebody's code with the camera, where the browser can read codes itself.
import { useEffect, useRef, useState } from "react";
import { Dialog, Note } from "../parts/ui";
import { app } from "../text/app";

interface Detector {
  detect(source: CanvasImageSource): Promise<{ rawValue: string }[]>;
}

type DetectorClass = new (options: { formats: string[] }) => Detector;
const detectorClass = (window as { BarcodeDetector?: DetectorClass }).BarcodeDetector;

export const canScan = (): boolean => detectorClass !== undefined && Boolean(navigator.mediaDevices);

/** Return whom a code names, if it is one of ours. */
export function handleIn(code: string): string | null {
  try {
    const address = new URL(code);
    return address.pathname.endsWith("/app/send") ? address.searchParams.get("to") : null;
  } catch {
    return null;
  }
}

export function Scanner({ onFound, onClose }: { onFound: (named: string) => void; onClose: () => void }) {
  const video = useRef<HTMLVideoElement>(null);
  const [denied, setDenied] = useState(false);
  const [foreign, setForeign] = useState(false);
  useEffect(() => {
    if (!detectorClass) return undefined;
    const detector = new detectorClass({ formats: ["qr_code"] });
    let [stream, timer]: [MediaStream | null, number] = [null, 0];
    let over = false;
    const stop = () => stream?.getTracks().forEach((track) => track.stop());
    const look = async () => {
      const codes = video.current ? await detector.detect(video.current).catch(() => []) : [];
      if (over) return;
      const named = codes.map(({ rawValue }) => handleIn(rawValue)).find(Boolean);
      if (codes.length > 0 && !named) setForeign(true);
      if (named) onFound(named);
      else timer = window.setTimeout(() => void look(), 250);
    };
    navigator.mediaDevices
      .getUserMedia({ video: { facingMode: "environment" } })
      .then(async (opened) => {
        stream = opened;
        // It was closed before the camera was allowed.
        if (over) stop();
        if (!video.current) return;
        video.current.srcObject = opened;
        await video.current.play();
        void look();
      })
      .catch(() => setDenied(true));
    return () => {
      over = true;
      clearTimeout(timer);
      stop();
    };
    // The camera is opened once for as long as this is shown.
  }, []);
  return (
    <Dialog title={app.send.scan} onClose={onClose}>
      {denied ? (
        <Note look="warn" icon="alert">
          {app.send.scanDenied}
        </Note>
      ) : (
        <div className="stack">
          <video ref={video} className="camera" muted playsInline />
          <p className="small quiet" role="status">
            {foreign ? app.send.scanForeign : app.send.scanWords}
          </p>
        </div>
      )}
    </Dialog>
  );
}

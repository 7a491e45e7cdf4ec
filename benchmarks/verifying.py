"""`verify`: how many entries per second the verifier checks, the log of them included."""

import asyncio
import time
from argparse import Namespace

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from benchmarks.books import Plan
from benchmarks.places import BenchmarkFailed, place
from wallet.application.sealing import Sealer
from wallet.bootstrap.commands import verify_at
from wallet.infrastructure.identifiers import new_id, utc_now
from wallet.infrastructure.postgres.pool import create_pool
from wallet.infrastructure.postgres.unit_of_work import PostgresUnitOfWork
from wallet.infrastructure.security.keys import SigningKey, SigningKeys
from wallet.infrastructure.security.signing import Es256Signer


def verifying(options: Namespace) -> None:
    """Load books, seal them, and verify them as `wallet verify` does."""
    plan = Plan(people=options.people, payers=2_000, entries=options.entries, seed=5)
    keys = SigningKeys(_new_key())
    with place(options.directory) as here:
        template = here.make_template("verify", plan)
        url = here.database(template.name).url
        began_s = time.perf_counter()
        sealed = asyncio.run(_seal(url, keys))
        took_s = time.perf_counter() - began_s
        print(f"Sealed {sealed:,} entries in {took_s:.1f} s ({sealed / took_s:,.0f}/s).")
        for _ in range(options.rounds):
            report, seconds = asyncio.run(verify_at(url, keys))
            rate = report.entries / seconds
            print(f"Verified {report.entries:,} entries in {seconds:.1f} s ({rate:,.0f}/s).")
            if not report.intact:
                raise BenchmarkFailed(f"the books are not intact: {report.violations[:3]}")


async def _seal(url: str, keys: SigningKeys) -> int:
    pool = await create_pool(url, size_max=1)
    try:
        sealer = Sealer(
            unit_of_work=lambda: PostgresUnitOfWork(pool),
            signer=Es256Signer(keys),
            clock=utc_now,
            new_id=new_id,
            report=print,
        )
        total = await sealer.seal()
        while sealer.behind:
            total += await sealer.seal()
    finally:
        await pool.close()
    return total


def _new_key() -> SigningKey:
    private = ec.generate_private_key(ec.SECP256R1())
    return SigningKey.of_pem(
        private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )

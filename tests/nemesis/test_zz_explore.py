import asyncio, pytest, time, signal
from pathlib import Path
from tests.nemesis.test_faults import World, _world
from tests.nemesis.probes import Probes
from tests.conftest import Cluster

async def run(world, title, seconds, before=0.6, after=4.0):
    async with world.load(tellers=4) as heard, Probes(world.service.port, world.customers[0], world.history) as probes:
        await asyncio.sleep(before)
        yield_ = time.monotonic()
        await seconds()
        world.proxy.heal()
        await asyncio.sleep(after)
    print("\n", title, probes.slowest(), probes.statuses(), "transfers", round(heard.longest_wait_s(),2), heard.words())
    for p in probes.heard:
        if p.status not in (200,201,503,404): print(p)

async def test_explore(cluster: Cluster, template: str, tmp_path: Path) -> None:
    async with _world(cluster, template, tmp_path) as world:
        async def slow():
            world.proxy.slow_down(delay_s=0.9)
            await asyncio.sleep(10)
        await run(world, "delay 0.9", slow)
        async def hole():
            world.proxy.black_hole()
            await asyncio.sleep(10)
        await run(world, "hole 10", hole)
        async def holes():
            for n in range(4):
                world.proxy.black_hole()
                await asyncio.sleep(2.5)
                world.proxy.heal()
                await asyncio.sleep(0.01)
        await run(world, "holes 2.5", holes)
        await world.report("x", __import__("tests.nemesis.bank").nemesis.bank.History())
        print(world.service.log()[-1500:])
        # SIGTERM in a black hole
        async with world.load(tellers=8) as heard, Probes(world.service.port, world.customers[0], world.history) as probes:
            await asyncio.sleep(1)
            world.proxy.black_hole()
            await asyncio.sleep(0.5)
            world.service.signal(signal.SIGTERM)
            print("exit in black hole after", await world.service.ended(40))
        world.proxy.heal()

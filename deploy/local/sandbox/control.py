"""The control API: sets the scene, plays the people, plans the faults, shows what happened."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.acts import Acts
from sandbox.looks import Looks
from sandbox.records import Json
from sandbox.refusals import Refusal
from sandbox.scene import Scene
from sandbox.world import World

Act = Callable[[Request], Awaitable[Json]]


def control_routes(world: World, scene: Scene, acts: Acts, looks: Looks) -> list[Route]:
    """Every route under /control; each answers JSON, and `{"error": …}` when it cannot."""
    table: list[tuple[str, str, Act]] = [
        ("GET", "/healthz", looks.health),
        ("PUT", "/bots/{bot_id:int}", scene.put_bot),
        ("PUT", "/chats/{chat_id}", scene.put_chat),
        ("PUT", "/people/{user_id:int}", scene.put_person),
        ("GET", "/faults", scene.list_faults),
        ("POST", "/faults", scene.plan_fault),
        ("DELETE", "/faults", scene.clear_faults),
        ("POST", "/limits", scene.set_limits),
        ("POST", "/clock", scene.advance_clock),
        ("POST", "/updates/{bot_id:int}", scene.inject_update),
        ("POST", "/updates/{bot_id:int}/repeat", scene.repeat_update),
        ("PUT", "/updates/{bot_id:int}/lost", scene.lose_updates),
        ("POST", "/chats/{chat_id}/post", acts.post),
        ("POST", "/people/{user_id:int}/tap", acts.tap),
        ("POST", "/people/{user_id:int}/start", acts.start),
        ("POST", "/people/{user_id:int}/say", acts.say),
        ("POST", "/people/{user_id:int}/pay", acts.pay),
        ("POST", "/people/{user_id:int}/charge_back", acts.charge_back),
        ("POST", "/people/{user_id:int}/join", acts.join),
        ("POST", "/people/{user_id:int}/leave", acts.leave),
        ("POST", "/people/{user_id:int}/block", acts.block),
        ("POST", "/people/{user_id:int}/promote", acts.promote),
        ("POST", "/people/{user_id:int}/kick", acts.kick),
        ("GET", "/bots", looks.bots),
        ("GET", "/chats", looks.chats),
        ("GET", "/chats/{chat_id}/messages", looks.messages),
        ("GET", "/people", looks.people),
        ("GET", "/people/{user_id:int}/messages", looks.dialogues),
        ("GET", "/callbacks", looks.callbacks),
        ("GET", "/charges", looks.charges),
        ("GET", "/updates/{bot_id:int}", looks.updates),
        ("GET", "/calls", looks.calls),
    ]
    return [
        Route(f"/control{path}", _endpoint(world, act), methods=[method])
        for method, path, act in table
    ]


def _endpoint(world: World, act: Act) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        try:
            return JSONResponse(await act(request))
        except Refusal as refusal:
            return JSONResponse({"error": refusal.description}, refusal.code)
        except ValueError as error:
            # pydantic's ValidationError is one, and so is a path that holds no number.
            return JSONResponse({"error": str(error)}, 422)
        finally:
            world.commit()

    return endpoint

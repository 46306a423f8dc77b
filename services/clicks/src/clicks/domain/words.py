"""What the bot says by itself, in the languages that it knows; everybody else reads English."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Words:
    """The fixed texts in one language; `gone` is told in a toast, which takes 200 characters.

    `subscribe` stands on a button, its {} being the price.
    """

    gone: str
    offer_gone: str
    hello: str
    here_you_are: str
    thanks: str
    help: str
    stopped: str
    will_forget: str
    later: str
    slow_down: str
    come_in: str
    subscribe: str


ENGLISH = Words(
    gone="This button is no longer active.",
    offer_gone="This offer is no longer available.",
    hello="Hello! Tap a button in one of our channels, and I will take it from there.",
    here_you_are="Here you are:",
    thanks="Thank you! Your payment has arrived.",
    help=(
        "I answer the buttons in our channels: tap one, and I will take it from there.\n\n"
        "/stop – I will not write to you any more\n"
        "/forget me – what is stored about you will be erased"
    ),
    stopped=(
        "I will not write to you any more. If you tap a button or write to me, I still answer;"
        " with /start I am back."
    ),
    will_forget=(
        "I have passed on your wish. Somebody of us will erase which buttons you tapped, when you"
        " started me and what you paid. What stays are totals in which you cannot be found."
    ),
    later="Something takes longer than usual. Please try again in a minute.",
    slow_down="Too many taps: this one does not count. Please try again in a minute.",
    come_in="Here is your invitation:",
    subscribe="⭐️ {} every 30 days",
)

_OTHERS = {
    "de": Words(
        gone="Diese Schaltfläche ist nicht mehr aktiv.",
        offer_gone="Dieses Angebot gibt es nicht mehr.",
        hello="Hallo! Tippe in einem unserer Kanäle auf eine Schaltfläche, dann geht es weiter.",
        here_you_are="Bitte sehr:",
        thanks="Danke! Deine Zahlung ist angekommen.",
        help=(
            "Ich antworte auf die Schaltflächen in unseren Kanälen: Tippe auf eine, dann geht es"
            " weiter.\n\n"
            "/stop – ich schreibe dir nicht mehr\n"
            "/forget me – was über dich gespeichert ist, wird gelöscht"
        ),
        stopped=(
            "Ich schreibe dir nicht mehr. Wenn du auf eine Schaltfläche tippst oder mir schreibst,"
            " antworte ich trotzdem; mit /start bin ich wieder da."
        ),
        will_forget=(
            "Ich habe deinen Wunsch weitergegeben. Jemand von uns löscht, auf welche Schaltflächen"
            " du getippt hast, wann du mich gestartet hast und was du bezahlt hast. Es bleiben"
            " Summen, in denen man dich nicht findet."
        ),
        later="Gerade dauert es länger als sonst. Bitte versuche es in einer Minute noch einmal.",
        slow_down="Zu oft getippt: dies zählt nicht. Versuche es in einer Minute noch einmal.",
        come_in="Hier ist deine Einladung:",
        subscribe="⭐️ {} alle 30 Tage",
    ),
    "es": Words(
        gone="Este botón ya no está activo.",
        offer_gone="Esta oferta ya no está disponible.",
        hello="¡Hola! Pulsa un botón en uno de nuestros canales y yo me encargo del resto.",
        here_you_are="Aquí tienes:",
        thanks="¡Gracias! Tu pago ha llegado.",
        help=(
            "Respondo a los botones de nuestros canales: pulsa uno y yo me encargo del resto.\n\n"
            "/stop – no te escribiré más\n"
            "/forget me – se borrará lo que está guardado sobre ti"
        ),
        stopped=(
            "No te escribiré más. Si pulsas un botón o me escribes, te respondo igualmente;"
            " con /start vuelvo."
        ),
        will_forget=(
            "He transmitido tu deseo. Alguien de nuestro equipo borrará qué botones pulsaste,"
            " cuándo me iniciaste y qué pagaste. Quedan totales en los que no se te puede"
            " encontrar."
        ),
        later="Ahora tarda más de lo normal. Vuelve a intentarlo dentro de un minuto.",
        slow_down="Demasiadas pulsaciones: esta no cuenta. Inténtalo dentro de un minuto.",
        come_in="Aquí tienes tu invitación:",
        subscribe="⭐️ {} cada 30 días",
    ),
    "pt": Words(
        gone="Este botão não está mais ativo.",
        offer_gone="Esta oferta não está mais disponível.",
        hello="Olá! Toque em um botão em um dos nossos canais e eu cuido do resto.",
        here_you_are="Aqui está:",
        thanks="Obrigado! O seu pagamento chegou.",
        help=(
            "Respondo aos botões dos nossos canais: toque em um deles e eu cuido do resto.\n\n"
            "/stop – não escrevo mais para você\n"
            "/forget me – o que está guardado sobre você será apagado"
        ),
        stopped=(
            "Não escrevo mais para você. Se tocar em um botão ou me escrever, ainda respondo;"
            " com /start eu volto."
        ),
        will_forget=(
            "Passei o seu pedido adiante. Um de nós vai apagar em quais botões você tocou, quando"
            " me iniciou e o que pagou. Ficam totais nos quais você não pode ser encontrado."
        ),
        later="Está a demorar mais do que o normal. Tente de novo dentro de um minuto.",
        slow_down="Foram toques a mais: este não conta. Tente de novo dentro de um minuto.",
        come_in="Aqui está o seu convite:",
        subscribe="⭐️ {} a cada 30 dias",
    ),
    "ru": Words(
        gone="Эта кнопка больше не действует.",
        offer_gone="Это предложение больше не действует.",
        hello="Здравствуйте! Нажмите кнопку в одном из наших каналов, и я всё сделаю.",
        here_you_are="Вот, пожалуйста:",
        thanks="Спасибо! Ваш платёж получен.",
        help=(
            "Я отвечаю на кнопки в наших каналах: нажмите любую, и я всё сделаю.\n\n"
            "/stop – больше вам не пишу\n"
            "/forget me – всё, что о вас сохранено, будет удалено"
        ),
        stopped=(
            "Больше вам не пишу. Если вы нажмёте кнопку или напишете мне, я всё же отвечу;"
            " по команде /start я вернусь."
        ),
        will_forget=(
            "Ваша просьба передана. Мы удалим, какие кнопки вы нажимали, когда запускали меня"
            " и что оплатили. Останутся общие числа, по которым вас нельзя узнать."
        ),
        later="Сейчас всё идёт дольше обычного. Попробуйте ещё раз через минуту.",
        slow_down="Слишком много нажатий: это не засчитано. Попробуйте ещё раз через минуту.",
        come_in="Вот ваше приглашение:",
        subscribe="⭐️ {} каждые 30 дней",
    ),
    "uk": Words(
        gone="Ця кнопка більше не діє.",
        offer_gone="Ця пропозиція більше не діє.",
        hello="Вітаю! Натисніть кнопку в одному з наших каналів, і я все зроблю.",
        here_you_are="Ось, будь ласка:",
        thanks="Дякуємо! Ваш платіж надійшов.",
        help=(
            "Я відповідаю на кнопки в наших каналах: натисніть будь-яку, і я все зроблю.\n\n"
            "/stop – більше вам не пишу\n"
            "/forget me – усе, що про вас збережено, буде видалено"
        ),
        stopped=(
            "Більше вам не пишу. Якщо ви натиснете кнопку або напишете мені, я все ж відповім;"
            " за командою /start я повернуся."
        ),
        will_forget=(
            "Ваше прохання передано. Ми видалимо, які кнопки ви натискали, коли запускали мене"
            " і що оплатили. Залишаться загальні числа, за якими вас не впізнати."
        ),
        later="Зараз усе триває довше, ніж зазвичай. Спробуйте ще раз за хвилину.",
        slow_down="Забагато натискань: це не зараховано. Спробуйте ще раз за хвилину.",
        come_in="Ось ваше запрошення:",
        subscribe="⭐️ {} кожні 30 днів",
    ),
}

LANGUAGES = ("en", *_OTHERS)


def words_in(language: str) -> Words:
    """Return the texts in `language`, the first part of an IETF tag; in English where unknown."""
    return _OTHERS.get(language, ENGLISH)

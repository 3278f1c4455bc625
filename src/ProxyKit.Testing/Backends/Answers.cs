using System.Globalization;
using System.Text;

namespace ProxyKit.Testing;

/// <summary>What a <see cref="ScriptedBackend"/> may do with a request. Each but <see cref="Early"/> reads the whole request first.</summary>
public static class Answers
{
    /// <summary>200 with a text and more fields, each a whole line such as <c>X-Color: red</c>.</summary>
    public static BackendAnswer Ok(string body = "", params string[] fields) => Status(200, body, fields);

    /// <summary>Any status with a text and more fields.</summary>
    public static BackendAnswer Status(int status, string body = "", params string[] fields)
    {
        ArgumentNullException.ThrowIfNull(body);
        ArgumentNullException.ThrowIfNull(fields);
        var head = new StringBuilder().Append(CultureInfo.InvariantCulture, $"HTTP/1.1 {status} Scripted\r\nContent-Length: {body.Length}\r\n");
        foreach (var field in fields)
        {
            head.Append(field).Append("\r\n");
        }

        return Raw($"{head}\r\n{body}");
    }

    /// <summary>Exactly these bytes, as Latin-1; the connection stays open.</summary>
    public static BackendAnswer Raw(string bytes) => async exchange =>
    {
        await exchange.ReadBodyAsync();
        await exchange.WriteAsync(bytes);
    };

    /// <summary>These bytes, and then the end of the connection (FIN).</summary>
    public static BackendAnswer Close(string bytes = "") => async exchange =>
    {
        await exchange.ReadBodyAsync();
        await exchange.WriteAsync(bytes);
        await exchange.Connection.CloseAsync();
    };

    /// <summary>These bytes, and then the connection is broken off (RST): before the head where there are none, or within it, or within the body.</summary>
    /// <param name="bytes">What is sent before.</param>
    /// <param name="when">Waited for in between, so that the bytes have arrived; null breaks off at once.</param>
    public static BackendAnswer Reset(string bytes = "", Task? when = null) => async exchange =>
    {
        await exchange.ReadBodyAsync();
        await exchange.WriteAsync(bytes);
        await (when ?? Task.CompletedTask).WaitAsync(exchange.Connection.Stopping);
        exchange.Connection.Reset();
    };

    /// <summary>Nothing, until the client leaves.</summary>
    public static BackendAnswer Never() => async exchange =>
    {
        await exchange.ReadBodyAsync();
        await exchange.Connection.WhenClientLeavesAsync();
    };

    /// <summary>These bytes without reading the request's body first.</summary>
    public static BackendAnswer Early(string bytes) => exchange => exchange.WriteAsync(bytes);

    /// <summary>100 (Continue) before the body is read; then another answer.</summary>
    public static BackendAnswer Continue(BackendAnswer then) => async exchange =>
    {
        await exchange.WriteAsync("HTTP/1.1 100 Continue\r\n\r\n");
        await then(exchange);
    };

    /// <summary>The first bytes, and the rest once <paramref name="gate"/> is done.</summary>
    public static BackendAnswer Gated(string first, Task gate, string rest) => async exchange =>
    {
        await exchange.ReadBodyAsync();
        await exchange.WriteAsync(first);
        await gate.WaitAsync(exchange.Connection.Stopping);
        await exchange.WriteAsync(rest);
    };

    /// <summary>One byte after another, each in a segment of its own, with a pause after each.</summary>
    /// <param name="bytes">What is sent.</param>
    /// <param name="pause">The pause; none where zero.</param>
    /// <param name="time">The clock of the pause.</param>
    public static BackendAnswer Slowly(string bytes, TimeSpan pause, TimeProvider time) => async exchange =>
    {
        await exchange.ReadBodyAsync();
        foreach (var octet in Encoding.Latin1.GetBytes(bytes))
        {
            await exchange.WriteAsync(new[] { octet });
            if (pause > TimeSpan.Zero)
            {
                await Task.Delay(pause, time, exchange.Connection.Stopping);
            }
        }
    };

    /// <summary>The same bytes again and again, such as a 1xx head, and then another answer.</summary>
    public static BackendAnswer Flood(string bytes, int times, BackendAnswer then) => async exchange =>
    {
        await exchange.ReadBodyAsync();
        for (var i = 0; i < times; i++)
        {
            await exchange.WriteAsync(bytes);
        }

        await then(exchange);
    };

    /// <summary>The first answer to the first request, the second to the second; the last one to all that follow.</summary>
    public static BackendAnswer InTurn(params BackendAnswer[] answers)
    {
        var turn = -1;
        return exchange => answers[Math.Min(Interlocked.Increment(ref turn), answers.Length - 1)](exchange);
    }

    /// <summary>A wait, once the request has been read, and then another answer: a backend that is slow.</summary>
    /// <param name="wait">How long.</param>
    /// <param name="time">The clock of the wait.</param>
    /// <param name="then">What it answers after that.</param>
    public static BackendAnswer After(TimeSpan wait, TimeProvider time, BackendAnswer then) => async exchange =>
    {
        await exchange.ReadBodyAsync();
        await Task.Delay(wait, time, exchange.Connection.Stopping);
        await then(exchange);
    };

    /// <summary>One answer to a path, another to all else: a backend that says it is well at <c>/healthz</c> and is not.</summary>
    public static BackendAnswer At(string path, BackendAnswer there, BackendAnswer elsewhere) =>
        exchange => (exchange.Request.Target.Split('?', 2)[0] == path ? there : elsewhere)(exchange);

    /// <summary>One answer to that share of the requests, evenly among them, another to the rest: a backend that fails now and then.</summary>
    /// <param name="share">0 to 1.</param>
    /// <param name="some">To that share.</param>
    /// <param name="rest">To the rest.</param>
    public static BackendAnswer Sometimes(double share, BackendAnswer some, BackendAnswer rest)
    {
        var turn = 0L;
        return exchange =>
        {
            var number = Interlocked.Increment(ref turn);
            return (Math.Floor(number * share) > Math.Floor((number - 1) * share) ? some : rest)(exchange);
        };
    }

    /// <summary>What an <see cref="OpenLoad"/> asks for. Anything else gets 404, and a POST whose body is not what was sent 400.</summary>
    /// <param name="name">What the backend calls itself.</param>
    /// <param name="ledger">Counts what is delivered.</param>
    public static BackendAnswer ToLoad(string name, LoadLedger? ledger = null) => async exchange =>
    {
        if (LoadCall.Of(exchange.Request.Target) is not { } call)
        {
            await Status(404)(exchange);
            return;
        }

        ledger?.Deliver(name, call.Kind, exchange.Request[LoadCall.IdField] ?? "");
        var request = await exchange.ReadBodyAsync();
        if (call.Kind == LoadKind.Post && (request.End != BodyEnd.Complete || request.Body.Length != call.Bytes || !call.Matches(0, request.Body.Span)))
        {
            await Status(400, "The body is not what was sent.")(exchange);
            return;
        }

        var head = Encoding.Latin1.GetBytes(string.Create(CultureInfo.InvariantCulture, $"HTTP/1.1 200 OK\r\nContent-Length: {call.AnswerBytes}\r\nCache-Control: no-store\r\n{LoadCall.ServerField}: {name}\r\n\r\n"));
        var piece = new byte[Math.Min(head.Length + call.AnswerBytes, 64 * 1024)];
        head.CopyTo(piece, 0);
        for (var (sent, filled) = (0, head.Length); sent < call.AnswerBytes; filled = 0)
        {
            var length = Math.Min(piece.Length - filled, call.AnswerBytes - sent);
            call.Fill(sent, piece.AsSpan(filled, length));
            await exchange.WriteAsync(piece.AsMemory(0, filled + length));
            sent += length;
        }
    };
}

using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Failover;

/// <summary>nginx with one worker, from a folder of its own: as it is, or with what its documentation has for failover.</summary>
internal sealed class NginxGateway : IGateway
{
    private static readonly TimeSpan Settling = TimeSpan.FromMilliseconds(500);

    private readonly HashSet<string> _away = [];
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("failover-nginx-");
    private readonly IReadOnlyList<Backend> _backends;
    private readonly bool _isTuned;
    private readonly int _port = FreePort();
    private Process? _process;

    private NginxGateway(bool isTuned, IReadOnlyList<Backend> backends) => (_isTuned, _backends) = (isTuned, backends);

    /// <summary>Where it is installed; null where it is not.</summary>
    public static string? Program { get; } = ((string[])[.. (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator), "/usr/sbin", "/usr/local/sbin"])
        .Where(folder => folder.Length > 0).Select(folder => Path.Combine(folder, "nginx")).FirstOrDefault(File.Exists);

    /// <summary>Such as 1.22.1; null where it is not installed.</summary>
    public static string? Version()
    {
        if (Program is null)
        {
            return null;
        }

        using var process = Process.Start(new ProcessStartInfo(Program, "-v") { RedirectStandardError = true })!;
        return process.StandardError.ReadToEnd().Split('/').Last().Trim();
    }

    public Uri Address => new($"http://127.0.0.1:{_port}");

    private string Log => Path.Combine(_folder.FullName, "tries.log");

    public static async Task<IGateway> StartAsync(bool isTuned, IReadOnlyList<Backend> backends)
    {
        var gateway = new NginxGateway(isTuned, backends);
        try
        {
            await gateway.WriteConfigurationAsync();
            gateway._process = gateway.Run();
            await gateway.WhenListeningAsync();
            return gateway;
        }
        catch
        {
            await gateway.DisposeAsync();
            throw;
        }
    }

    public Task DrainAsync(Backend backend)
    {
        _away.Add(backend.Name);
        return ReloadAsync();
    }

    public Task ReturnAsync(Backend backend)
    {
        _away.Remove(backend.Name);
        return ReloadAsync();
    }

    public async Task<Tries> TriesAsync()
    {
        // The log has a line for each request: "1760000000.123 127.0.0.1:1, 127.0.0.1:2 | 502, 200".
        var (retried, failed) = (0, new List<(long, string)>());
        var names = _backends.ToDictionary(backend => backend.Address.Authority, backend => backend.Name);
        foreach (var line in await File.ReadAllLinesAsync(Log))
        {
            var parts = line.Split([' ', '|', ','], StringSplitOptions.RemoveEmptyEntries);
            var at = (long)(double.Parse(parts[0], CultureInfo.InvariantCulture) * 1000);
            var tried = parts.Length / 2;
            retried += Math.Max(0, tried - 1);
            for (var i = 1; i <= tried; i++)
            {
                if (parts[i + tried] is "502" or "504" or "-" && names.TryGetValue(parts[i], out var name))
                {
                    failed.Add((at, name));
                }
            }
        }

        return new Tries(retried, failed);
    }

    public async ValueTask DisposeAsync()
    {
        if (_process is not null)
        {
            if (!_process.HasExited)
            {
                using var stop = Run("-s", "stop"); // the master ends its workers
                await stop.WaitForExitAsync();
            }

            using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(5));
            await _process.WaitForExitAsync(deadline.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (!_process.HasExited)
            {
                _process.Kill(entireProcessTree: true);
            }

            _process.Dispose();
        }

        _folder.Delete(recursive: true);
    }

    private async Task ReloadAsync()
    {
        await WriteConfigurationAsync();
        using var reload = Run("-s", "reload");
        await reload.WaitForExitAsync();

        // It cannot be asked whether the old worker has finished; a request takes a few milliseconds here.
        await Task.Delay(Settling, TimeProvider.System);
    }

    private Process Run(params string[] more)
    {
        var folder = _folder.FullName;
        var process = Process.Start(new ProcessStartInfo(Program!, ["-p", folder, "-c", Path.Combine(folder, "nginx.conf"), "-e", Path.Combine(folder, "error.log"), .. more]) { RedirectStandardError = true })
            ?? throw new InvalidOperationException("nginx did not start.");
        process.BeginErrorReadLine();
        return process;
    }

    private Task WriteConfigurationAsync()
    {
        var folder = _folder.FullName;
        var (perServer, upstream, proxy) = _isTuned
            ? (" max_fails=1 fail_timeout=2s", "random two least_conn; keepalive 64;", "proxy_http_version 1.1; proxy_set_header Connection \"\"; proxy_connect_timeout 1s; proxy_next_upstream error timeout http_502 http_503 http_504; proxy_next_upstream_tries 3;")
            : ("", "", "");
        return File.WriteAllTextAsync(Path.Combine(folder, "nginx.conf"), $$"""
            daemon off; worker_processes 1; pid {{folder}}/nginx.pid;
            events { worker_connections 4096; }
            http {
              log_format tries '$msec $upstream_addr | $upstream_status'; access_log {{folder}}/tries.log tries;
              client_body_temp_path {{folder}}/body; proxy_temp_path {{folder}}/proxy; fastcgi_temp_path {{folder}}/fastcgi; uwsgi_temp_path {{folder}}/uwsgi; scgi_temp_path {{folder}}/scgi;
              upstream shop { {{upstream}}
                {{string.Join(' ', _backends.Select(backend => $"server {backend.Address.Authority}{perServer}{(_away.Contains(backend.Name) ? " down" : "")};"))}} }
              server { listen 127.0.0.1:{{_port}}; location / { proxy_pass http://shop; {{proxy}} } }
            }
            """);
    }

    private async Task WhenListeningAsync()
    {
        for (var i = 0; ; i++)
        {
            try
            {
                using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
                await socket.ConnectAsync(IPAddress.Loopback, _port);
                return;
            }
            catch (SocketException) when (i < 250 && !_process!.HasExited)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System);
            }
        }
    }

    private static int FreePort()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }
}

namespace ProxyKit.Forwarding.Tests;

public sealed class PoolClientTests
{
    [Fact]
    public void One_that_was_replaced_lives_as_long_as_a_request_holds_it()
    {
        var handler = new Backends();
        var client = new PoolClient(new HttpMessageInvoker(handler));
        Assert.True(client.TryHold());
        client.Retire();
        Assert.False(handler.IsDisposed);
        Assert.True(client.TryHold()); // whoever has just read the plan
        client.Release();
        client.Release();
        Assert.True(handler.IsDisposed);
        Assert.False(client.TryHold());
    }

    [Fact]
    public void Retired_twice_is_retired_once()
    {
        var handler = new Backends();
        var client = new PoolClient(new HttpMessageInvoker(handler));
        Assert.True(client.TryHold());
        client.Retire();
        client.Retire();
        Assert.False(handler.IsDisposed);
        client.Release();
        Assert.True(handler.IsDisposed);
    }
}

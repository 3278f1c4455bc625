// What a gateway loses while backends die, restart, hang and slow down: ProxyKit, YARP and, where it is installed, nginx, under the same load.
// Backends and gateways are processes of their own, started and ended by this one. --help says more.
using Failover;

switch (args)
{
    case ["backend", var name, "scripted"]:
        return await BackendProgram.RunScriptedAsync(name);
    case ["backend", var name, var port]:
        return await BackendProgram.RunAsync(name, port);
    case ["gateway", "yarp" or "yarp-tuned", .. var addresses]:
        return await YarpProgram.RunAsync(isTuned: args[1] == "yarp-tuned", addresses);
    case ["gateway", var policy, .. var addresses]:
        return await ProxyKitProgram.RunAsync(policy, addresses);
    default:
        return await Story.TellAsync(args);
}

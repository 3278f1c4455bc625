// Each row has the machine for itself: two loads at once would say more of the machine than of the gateway.
[assembly: Xunit.v3.Parallelization(Mode = Xunit.Sdk.ParallelMode.None)]

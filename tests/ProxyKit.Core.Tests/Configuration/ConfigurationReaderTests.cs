using Microsoft.Extensions.Configuration;

namespace ProxyKit.Tests.Configuration;

public class ConfigurationReaderTests
{
    [Fact]
    public void What_is_not_said_keeps_its_default_and_what_is_said_is_bound()
    {
        var options = Read("""{ "Count": 7, "Wait": "00:00:03", "mode": "Deny", "Inner": { "Size": 9 } }""");
        Assert.Equal((7, TimeSpan.FromSeconds(3), Mode.Deny, 9), (options.Count, options.Wait, options.Mode, options.Inner.Size));
        Assert.Equal([502, 503], options.Statuses);
        Assert.Equal([1, 2], options.Ports);
    }

    [Fact]
    public void What_is_said_of_lists_sets_arrays_and_dictionaries_takes_the_place_of_the_default()
    {
        var options = Read("""{ "Statuses": [500], "Names": ["x", "y", "x"], "Ports": [8080, 8081], "Labels": { "rack": "r2" } }""");
        Assert.Equal([500], options.Statuses);
        Assert.Equal(["x", "y"], options.Names.Order());
        Assert.Equal([8080, 8081], options.Ports);
        Assert.Equal([KeyValuePair.Create("rack", "r2")], options.Labels);
    }

    [Fact]
    public void An_empty_list_means_none()
    {
        var options = Read("""{ "Names": [], "Ports": [], "Labels": {} }""");
        Assert.Empty(options.Names);
        Assert.Empty(options.Ports);
        Assert.Empty(options.Labels);
    }

    [Theory]
    [InlineData("""{ "Statuses": 500 }""", "S:Statuses is '500'; it must hold a list of values, or be left out for the default.")]
    [InlineData("""{ "Cuont": 1 }""", "S:Cuont is not known; did you mean 'Count'?")]
    [InlineData("""{ "Bandwidth": 1 }""", "S:Bandwidth is not known; there are: Count, Inner, Labels, Mode, Names, Ports, Statuses, Wait.")]
    [InlineData("""{ "Fixed": "x" }""", "S:Fixed is not known")]
    [InlineData("5", "S is '5'; it must hold keys, of: Count, Inner, Labels, Mode, Names, Ports, Statuses, Wait.")]
    [InlineData("""{ "Count": -1 }""", "S: Count is -1; it must be 0 or more.")]
    public void A_fault_is_told_with_its_path_and_what_would_be_right(string text, string fault) =>
        Assert.StartsWith(fault, Assert.Single(Faults(text)), StringComparison.Ordinal);

    [Fact]
    public void All_bad_values_are_told_at_once_and_the_rest_is_not_judged_for_them()
    {
        var faults = Faults("""{ "Count": "many", "Wait": "soon", "Mode": "Perhaps", "Sizee": 1, "Statuses": ["x"] }""");
        Assert.Equal(5, faults.Count);
        Assert.Contains(faults, fault => fault.StartsWith("S: ", StringComparison.Ordinal) && fault.Contains("'many' at 'S:Count'", StringComparison.Ordinal));
        Assert.Contains(faults, fault => fault.Contains("'soon' at 'S:Wait'", StringComparison.Ordinal));
        Assert.Contains(faults, fault => fault.Contains("'Perhaps' at 'S:Mode'", StringComparison.Ordinal));
        Assert.Contains(faults, fault => fault.Contains("'x' at 'S:Statuses:0'", StringComparison.Ordinal));
    }

    [Fact]
    public void Keys_that_belong_there_beside_the_options_are_known()
    {
        var faults = new List<string>();
        Assert.True(ConfigurationReader.TryRead<Sample>(Json.Section("""{ "Name": "n", "Count": 3 }"""), Bind, faults, out var options, "Name"));
        Assert.Equal(3, options.Count);
        Assert.Empty(faults);
    }

    [Fact]
    public void An_unknown_key_further_in_is_a_fault_where_the_binder_is_told_to_look()
    {
        var faults = new List<string>();
        Assert.False(ConfigurationReader.TryRead<Sample>(
            Json.Section("""{ "Name": "n", "Inner": { "Sizee": 3 } }"""),
            static (section, options) => section.Bind(options, static binder => binder.ErrorOnUnknownConfiguration = true),
            faults,
            out _,
            "Name"));
        Assert.Contains("'Sizee'", Assert.Single(faults), StringComparison.Ordinal);
    }

    private static Sample Read(string text)
    {
        var faults = new List<string>();
        Assert.True(ConfigurationReader.TryRead<Sample>(Json.Section(text), Bind, faults, out var options), string.Join(" ", faults));
        return options;
    }

    private static List<string> Faults(string text)
    {
        var faults = new List<string>();
        Assert.False(ConfigurationReader.TryRead<Sample>(Json.Section(text), Bind, faults, out var options));
        Assert.Null(options);
        return faults;
    }

    private static void Bind(IConfigurationSection section, Sample options) => section.Bind(options);

    internal sealed class Sample : IValidatable
    {
        public int Count { get; set; } = 5;

        public TimeSpan Wait { get; set; } = TimeSpan.FromSeconds(1);

        public Mode Mode { get; set; }

        public List<int> Statuses { get; set; } = [502, 503];

        public HashSet<string> Names { get; set; } = ["a"];

        public int[] Ports { get; set; } = [1, 2];

        public Dictionary<string, string> Labels { get; set; } = new() { ["zone"] = "eu" };

        public Inner Inner { get; set; } = new();

        public string Fixed { get; init; } = "";

        public IEnumerable<string> Faults()
        {
            if (Count < 0)
            {
                yield return $"{nameof(Count)} is {Count}; it must be 0 or more.";
            }

            if (Statuses.Count == 0)
            {
                yield return "no status";
            }
        }
    }

    internal sealed class Inner
    {
        public int Size { get; set; } = 1;
    }

    internal enum Mode
    {
        Allow,
        Deny,
    }
}

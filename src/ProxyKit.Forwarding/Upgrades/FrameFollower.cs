namespace ProxyKit.Forwarding;

/// <summary>Follows the frames of one direction of a WebSocket (RFC 6455 §5.2) as their bytes pass, in whatever pieces; it keeps none of them.</summary>
/// <remarks>
/// It only wants to know where a frame of one's own may be put in between. That is between any two frames: a control frame may stand among the
/// fragments of a message (§5.4). What the frames say is the business of both ends, and so is whether they may.
/// </remarks>
internal struct FrameFollower
{
    private const byte Close = 8;

    private Part _part;
    private byte _opcode;
    private bool _isMasked;
    private int _headLeft; // bytes of the part of the head that is being read
    private ulong _length; // of the payload, later what is left of it

    private enum Part : byte
    {
        First,
        Second,
        Length,
        Mask,
        Payload,
    }

    /// <summary>Whether the last byte that passed was the last one of a frame, or none has passed.</summary>
    public readonly bool IsAtBoundary => _part == Part.First;

    /// <summary>Whether a Close frame has passed whole: nothing may follow it (§5.5.1).</summary>
    public bool SawClose { get; private set; }

    /// <summary>Follows all of <paramref name="bytes"/>.</summary>
    public void Follow(ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            bytes = bytes[Step(bytes)..];
        }
    }

    /// <summary>Follows <paramref name="bytes"/> as far as the end of the frame that is under way.</summary>
    /// <returns>How many of them belong to it; 0 between two frames.</returns>
    public int FollowToBoundary(ReadOnlySpan<byte> bytes)
    {
        var count = 0;
        while (count < bytes.Length && !IsAtBoundary)
        {
            count += Step(bytes[count..]);
        }

        return count;
    }

    // One byte of a head, or as much of a payload as there is.
    private int Step(ReadOnlySpan<byte> bytes)
    {
        var next = bytes[0];
        switch (_part)
        {
            case Part.First:
                (_opcode, _part) = ((byte)(next & 0x0F), Part.Second);
                return 1;
            case Part.Second:
                _isMasked = (next & 0x80) != 0;
                _length = (ulong)(next & 0x7F);
                _headLeft = _length switch { 126 => 2, 127 => 8, _ => 0 };
                if (_headLeft > 0)
                {
                    (_length, _part) = (0, Part.Length);
                }
                else
                {
                    EndLength();
                }

                return 1;
            case Part.Length:
                _length = (_length << 8) | next;
                if (--_headLeft == 0)
                {
                    EndLength();
                }

                return 1;
            case Part.Mask:
                if (--_headLeft == 0)
                {
                    EndHead();
                }

                return 1;
            default:
                var passed = (int)Math.Min(_length, (ulong)bytes.Length);
                _length -= (ulong)passed;
                if (_length == 0)
                {
                    EndFrame();
                }

                return passed;
        }
    }

    private void EndLength()
    {
        if (_isMasked)
        {
            (_part, _headLeft) = (Part.Mask, 4);
        }
        else
        {
            EndHead();
        }
    }

    private void EndHead()
    {
        if (_length == 0)
        {
            EndFrame();
        }
        else
        {
            _part = Part.Payload;
        }
    }

    private void EndFrame()
    {
        SawClose |= _opcode == Close;
        _part = Part.First;
    }
}

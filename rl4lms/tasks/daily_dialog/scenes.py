"""Scenes of the generated dialogues: their facts, and exchanges that open, continue and close them.

An exchange is two lines; the second begins with ">". Either lists what may be said, " / " between. A number before an
utterance is its dialogue act (1 inform, 2 question, 3 directive, 4 commissive) and after a colon its emotion (0 none,
1 anger, 2 disgust, 3 fear, 4 happiness, 5 sadness, 6 surprise); both hold until the next number. Punctuation is
spaced, as in the published data.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scene:
    facts: dict[str, str]
    opening: str
    middle: str
    closing: str


SCENES = {
    "restaurant": Scene(
        {
            "dish": """chicken soup|grilled fish|beef noodles|tomato salad|lamb curry|mushroom pizza|fried rice
                pepper steak""",
            "drink": "red wine|green tea|orange juice|apple juice|mineral water|black coffee",
            "dessert": "ice cream|apple pie|cheese cake|chocolate cake|fresh fruit",
            "spot": "window|door|bar|garden|kitchen",
            "taste": "spicy|salty|sweet|sour|hot",
        },
        """
2 Good evening . Do you have a table for [number] ? / Is there a free table for [number] ?
> 1 Yes , we have one by the [spot] . / 1:5 I'm sorry , we only have one by the door .
3 I'd like a table for [number] , please . / Please give us a table by the [spot] .
> 4 Certainly . I'll take you there right away . / Of course . I'll find one by the [spot] for you .
2 Are you ready to order , [title] [last] ? / What would you like to eat tonight ?
> 3 Please bring me the [dish] . / I'd like the [dish] and some [drink] , please .
1 This is my first time here . / My friend [first] told me about this restaurant .
> 3 Then you should try our [dish] . / Let me recommend the [dish] with [drink] .""",
        """
2 How is the [dish] today ? / What is the [dish] like ?
> 1 It is a little [taste] , but very fresh . / It is not too [taste] and comes with bread .
3 Could you bring me some [drink] ? / Please bring us some [drink] first .
> 4 Sure , I'll be right back with it . / No problem . I'll get it at once .
1:2 Excuse me , this [dish] is much too [taste] . / 1:1 Waiter , there is a hair in my [dish] .
> 4:5 I'm so sorry . I'll bring you a new one . / I'm terribly sorry . I'll talk to the cook .
2 Would you like some [dessert] ? / How about some [dessert] ?
> 4:4 Yes , I'll have that . / 4:0 No , thanks . I won't eat any more today .
2 How much is the [dish] ? / What does the [dish] cost ?
> 1 It is [price] dollars . / It costs [price] dollars with [drink] .
1:4 The [dish] is delicious . / I really love this [dish] .
> 1:4 I'm glad that you like it . / Thank you . Our cook comes from [city] .""",
        """
3 Can I have the bill , please ? / Please bring us the bill .
> 4 Of course . I'll be back in a minute . / 1 Here you are . That's [price] dollars .
1:4 Thank you . Everything was great . / The [drink] was wonderful , too .
> 1:4 Thank you . It was a pleasure . / 3:4 Please come again soon .
2 Can I pay by credit card ? / Do you take credit cards ?
> 1 Yes , we take all cards . / 1:5 I'm afraid we only take cash .""",
    ),
    "hotel": Scene(
        {
            "room": "single room|double room|quiet room|room with a view|room with two beds",
            "thing": "shower|heater|television|window|lamp|air conditioner",
            "service": "breakfast|the swimming pool|the gym|the airport bus|the sauna",
            "floor": "first|second|third|fourth|top",
        },
        """
2 Good afternoon . Do you have a [room] for tonight ? / Is a [room] free for [number] nights ?
> 1 Yes , there is one on the [floor] floor . / 1:5 I'm afraid there is only one on the [floor] floor .
3 I'd like to book a [room] for [number] nights . / Please reserve a [room] for me .
> 2 Certainly . May I have your name ? / Which day will you arrive ?
1 My name is [first] [last] . I have a reservation . / I booked a [room] by phone .
> 3 Welcome . Please fill in this form . / Just a moment , please show me your passport .""",
        """
2 How much is the [room] ? / What is the price for one night ?
> 1 It is [price] dollars a night . / It costs [price] dollars with [service] .
1:1 The [thing] in my room doesn't work . / I can't sleep because the [thing] is so loud .
> 4:5 I'm sorry . I'll send someone up at once . / I apologize . We'll give you another room .
3 Could you wake me up at [hour] tomorrow ? / Please call me at [hour] in the morning .
> 4 No problem . We'll call you at [hour] . / Certainly . I'll write it down .
2 Is [service] included ? / Do I have to pay for [service] ?
> 1 No , [service] costs [price] dollars . / Yes , [service] is included .
2 When is the restaurant open ? / Until what time can I get dinner ?
> 1 It is open until [hour] . / The kitchen closes at [hour] .
3 Please take my bags to the [floor] floor . / Would you help me with my bags ?
> 4 Of course . I'll carry them for you . / Sure . I'll bring them to your room .""",
        """
3 I'd like to check out now . / Please prepare my bill .
> 1 Here it is . That's [price] dollars , [title] [last] . / 4 Right away , [title] [last] . I'll print it for you .
1:4 I had a wonderful stay . / We enjoyed our time in [city] .
> 1:4 I'm happy to hear that . / 3:4 Please come back next year .
2 Is there a bus to the airport ? / How can I get to the airport ?
> 1 There is a bus every [minutes] minutes . / 3 Take the bus in front of the hotel .""",
    ),
    "station": Scene(
        {
            "day": "Monday|Tuesday|Wednesday|Thursday|Friday|Saturday",
            "class": "first class|second class|one-way|return",
            "reason": "snow on the line|a broken signal|a strike|an accident|the storm",
        },
        """
3 I'd like a [class] ticket to [city] , please . / Please give me [number] tickets to [city] .
> 2 For which day ? / Do you want to leave on [day] ?
2 When does the next train to [city] leave ? / Is there a train to [city] on [day] ?
> 1 The next one leaves at [hour] o'clock . / Yes , there are [number] trains a day .
2 Excuse me , does this train go to [city] ? / Is this the train to [city] ?
> 1 Yes , it goes to [city] . / No , the train to [city] leaves from platform [number] .""",
        """
2 How much is a [class] ticket ? / What does the trip to [city] cost ?
> 1 It is [price] dollars . / It costs [price] dollars on [day] .
2 How long does it take to get to [city] ? / How long is the trip ?
> 1 It takes about [number] hours . / Only [number] hours by express train .
1:1 My train to [city] is [minutes] minutes late . / 1:5 I missed my train to [city] .
> 1:5 I'm sorry , it is because of [reason] . / 3 Then take the train on platform [number] .
3 Please give me a seat by the window . / Could you reserve a seat for me ?
> 4 Sure , I'll do that . / No problem . I'll book seat [minutes] for you .
1:3 I'm afraid that I won't catch my flight . / I'm worried about my bag on the train .
> 4 Don't worry . We'll call the station . / Stay calm . I'll help you .
2 Do I have to change trains ? / Where do I have to change ?
> 1 Yes , you change after [number] stops . / No , it goes straight to [city] .""",
        """
1:4 Thank you for your help . / Great , thanks a lot .
> 1:4 You're welcome . / 3 Have a nice trip to [city] .
2 Where can I buy something to eat ? / Where is the waiting room ?
> 1 It is next to platform [number] . / 3 Go down the stairs and turn left .
3 Let's hurry , the train is leaving . / Come on , we have only [minutes] minutes .
> 4 OK , I'm coming . / All right , I'll take the bags .""",
    ),
    "shop": Scene(
        {
            "item": "jacket|sweater|coat|dress|shirt|skirt|suit|scarf",
            "color": "red|blue|green|black|white|gray|brown",
            "size": "small|medium|large|extra large",
            "cloth": "wool|cotton|silk|linen",
        },
        """
2 May I help you ? / What are you looking for ?
> 3 I'd like to see a [color] [item] . / Please show me your [item] collection .
2 Do you have this [item] in [color] ? / Is this [item] made of [cloth] ?
> 1 Yes , we have it in [size] . / No , we only have it in [color2] .
1 I need a [item] for my trip to [city] . / I'm looking for a gift for [first] .
> 3 How about this [color] one ? You should try it on . / Let me show you this [cloth] [item] .""",
        """
2 How much is this [color] [item] ? / What is the price of the [item] ?
> 1 It is [price] dollars . / It's on sale for [price] dollars .
1:6 [price] dollars ? That's very expensive ! / Wow , that is more than I thought !
> 4 I'll give you a discount of [number] dollars . / 1 It's real [cloth] , and it will last for years .
2 Where can I try it on ? / Where is the fitting room ?
> 1 The fitting room is over there . / It's behind the [item] section .
1:5 I'm afraid it's too tight for me . / This [item] doesn't fit me .
> 4 I'll get you a [size] one . / Wait , I'll look for another size .
2 What do you think of this [item] ? / Do you like the [color] one ?
> 1:4 It looks great on you . / 1:2 To be honest , I don't like the color .
3 Show me something in [color2] , please . / Could you show me a cheaper [item] ?
> 4 Sure . I'll bring you two more . / Of course , I'll see what we have .""",
        """
4:4 OK , I'll take it . / All right , I'll buy the [color] one .
> 2 Will you pay in cash ? / Would you like a bag ?
3 Please wrap it for me . / Could you wrap the [item] as a gift ?
> 4 Certainly . I'll do it right now . / No problem , I'll find some nice paper .
4:5 I won't buy it today . / Sorry , I'll think about it .
> 1 That's fine . We are open until [hour] . / 3 Please come back when you are ready .""",
    ),
    "doctor": Scene(
        {
            "pain": "headache|stomachache|toothache|sore throat|backache|fever|cough",
            "medicine": "pills|drops|tea|syrup|tablets",
            "food": "coffee|spicy food|alcohol|sweets|fried food",
            "past": "last night|yesterday|last weekend|[number] days ago|this morning",
        },
        """
2 What seems to be the problem , [title] [last] ? / What's wrong with you ?
> 1:5 I have a terrible [pain] . / I've had a [pain] since last week .
1:5 Doctor , I have a bad [pain] . / I don't feel well . I have a [pain] .
> 2 When did it start ? / How long have you had it ?
3 I'd like to see Doctor [last] , please . / Please let me see a doctor today .
> 2 Do you have an appointment ? / Is it urgent ?""",
        """
2 When did the [pain] start ? / Since when have you had it ?
> 1 It started [past] . / I noticed it [past] .
2 Do you smoke or drink ? / Have you eaten anything strange ?
> 1 No , I don't . / 1 Well , I had a lot of [food] [past] .
3 Open your mouth and say ah . / Please lie down here .
> 4 OK . I'll try . / 4:3 All right , but I'm a little afraid .
2:3 Is it something serious ? / Do I need an operation ?
> 1 No , it's only a cold . / 1:4 Not at all . You'll be fine in [number] days .
3 Take these [medicine] [number] times a day . / You should stay in bed for [number] days .
> 4 OK , I'll do that . / I will , doctor .
3 You should stop having so much [food] . / Don't have any [food] this week .
> 4:5 I'll try , but it won't be easy . / 4 I promise .
1:3 I'm afraid of needles . / I can't look at blood .
> 3 Then close your eyes . / 4 Don't worry , I'll be careful .""",
        """
2 When should I come back ? / Do I have to come again ?
> 3 Come back in [number] days . / Please call me if you don't feel better .
1:4 Thank you , doctor . I feel better already . / Thanks for the [medicine] .
> 3 Take care of yourself . / 1:4 You're welcome , [title] [last] .
2 Where can I buy the [medicine] ? / How much are the [medicine] ?
> 1 There is a pharmacy on [street] Street . / They cost about [price] dollars .""",
    ),
    "office": Scene(
        {
            "paper": "report|contract|sales plan|budget|presentation|price list",
            "machine": "printer|computer|copy machine|phone|projector",
            "day": "Monday|Tuesday|Wednesday|Thursday|Friday",
            "trouble": "traffic|the rain|a flat tire|the late bus|my alarm clock",
        },
        """
2 [first] , have you finished the [paper] ? / Is the [paper] ready , [first] ?
> 1 Yes , it's on your desk . / 1:5 Not yet . The [machine] is broken again .
3 [first] , could you check this [paper] ? / Please send the [paper] to our office in [city] .
> 4 Sure , I'll do it right now . / OK , I'll do it before [hour] o'clock .
1:1 You are [minutes] minutes late , [first] . / We waited [minutes] minutes for you , [first] .
> 1:5 I'm sorry , it was because of [trouble] . / 4:5 I'm sorry . I won't be late again .""",
        """
2 When is the meeting with [title] [last] ? / What time do we meet [title] [last] ?
> 1 It's on [day] at [hour] . / It starts at [hour] o'clock on [day] .
3 Let's talk about the [paper] on [day] . / Why don't we work on the [paper] together ?
> 4 Good idea . I'll be there at [hour] . / 4:5 I'd love to , but I can't before [hour] .
1:1 This [machine] never works . / The [machine] is out of order again .
> 4 I'll call the technician . / 3 Try to turn it off and on again .
1:4 Guess what , I got a raise ! / The boss loved our [paper] !
> 1:6 Really ? That's amazing ! / 1:4 Congratulations ! You deserve it .
2 What did [title] [last] say about the [paper] ? / Did [title] [last] like the [paper] ?
> 1 He wants to change [number] pages . / 1:4 Yes , he thinks that it is excellent .
2 Can you help me with the [machine] ? / Could I use your [machine] for a minute ?
> 4 Sure , I'll be there in a minute . / 4 Of course , I'll show you how it works .
1:5 I have to work until [hour] tonight . / I'm so tired of this [paper] .
> 3 You should take a break . / 4 I'll help you if you like .""",
        """
4 I'll send you the [paper] by [day] . / I'll finish it before [hour] o'clock .
> 1:4 Great , thank you . / 3 Please don't forget it .
3 Let's have lunch together . / Let's go home , it's [hour] o'clock .
> 4:4 Sounds good . I'll get my coat . / 4:5 Sorry , I have to finish this first .
2 Anything else , [title] [last] ? / Do you need anything else ?
> 1 No , that's all for today . / 3 Yes , close the door , please .""",
    ),
    "family": Scene(
        {
            "chore": "clean your room|do your homework|wash the dishes|walk the dog|take out the trash|feed the cat",
            "meal": "pancakes|spaghetti|fish|vegetables|sandwiches|soup",
            "fun": "watch TV|play outside|go swimming|stay up late|visit [first]",
            "pet": "puppy|kitten|rabbit|parrot|hamster",
            "who": "Grandma|Dad|Mom|Uncle [first]|Aunt [first]",
        },
        """
3 [first] , please [chore] . / You have to [chore] now , [first] .
> 4 OK , I'll do it right away . / 4:1 I won't do it now . I'm busy .
2 Mom , can I [fun] tonight ? / Dad , may I [fun] ?
> 3 First you have to [chore] . / 1 Yes , but only until [hour] .
2 What are we having for dinner ? / What did you cook today , Mom ?
> 1 We are having [meal] . / 1 I made [meal] because [who] is coming .
1:4 Look , [who] gave me a [pet] ! / I got a [pet] from [who] !
> 1:6 What a surprise ! / 2 How lovely ! What is its name ?""",
        """
1:2 I don't like [meal] . / Yuck , this smells like old [meal] .
> 3 Just try a little bit . / 1 It's good for you .
2 How was school today ? / What did you do at school ?
> 1:4 It was great . I got an A . / 1:5 Not so good . I lost my book .
2 Can I have a [pet] for my birthday ? / Why can't we have a [pet] ?
> 1 It is too much work . / 4 OK , I'll think about it .
2 Who will [chore2] ? / Did you [chore2] ?
> 4 I'll do it after dinner . / 1 [who] did it this morning .
3 Let's call [who] this evening . / Why don't we invite [who] on Sunday ?
> 4:4 Good idea . I'll do it . / 1 But [who] is in [city] this week .
1:3 I'm scared of the dark . / I heard a strange noise in the kitchen .
> 4 Don't worry , I'll leave the light on . / 1 It's only the [pet] .
1:1 [first] broke my toy ! / [first] took my bike without asking !
> 3 Calm down and tell me about it . / 4 I'll talk to [first] .""",
        """
3 Go to bed now , it's [hour] o'clock . / Time for bed . Turn off the light .
> 4:5 OK , I'm going . / 4 I'll go in [minutes] minutes .
1:4 You are the best . / Thank you , I love you .
> 1:4 I love you , too . / 3 Come here and give me a hug .
2 Will you be back for dinner ? / When will you come home ?
> 4 I'll be back before [hour] . / 1 I don't know yet .""",
    ),
    "friends": Scene(
        {
            "plan": "see a movie|play tennis|go to the beach|visit the museum|go hiking|have a picnic|go dancing",
            "event": "party|concert|wedding|football game|exam",
            "weekday": "on Saturday|on Sunday|tonight|next weekend|tomorrow",
            "feeling": "tired|bored|busy|excited",
            "loss": "wallet|phone|cat|job|keys",
        },
        """
3 Let's [plan] [weekday] . / Why don't we [plan] [weekday] ?
> 4:4 Great idea . I'd love to . / 4:5 I'd like to , but I can't before [hour] .
2 Hi , [first] . What are you doing [weekday] ? / Do you have any plans [weekday] , [first] ?
> 1 Nothing special . I'm just [feeling] . / 1 I'm going to [plan] with [first2] .
1:5 I lost my [loss] , [first] . / I have bad news . I lost my [loss] .
> 1:5 I'm so sorry to hear that . / 2:6 Oh no ! How did it happen ?
2 How was the [event] ? / Did you enjoy the [event] ?
> 1:4 It was fantastic . / 1:5 It was boring . I left at [hour] .""",
        """
2 What time should we meet ? / When shall I pick you up ?
> 1 At [hour] o'clock . / 3 Come to my house at [hour] .
2 Who else is coming ? / Is [first2] coming , too ?
> 1 [first2] and [number] others are coming . / 1 I haven't asked [first2] yet .
2 Where shall we meet ? / Where is it ?
> 1 It's on [street] Street . / 3 Wait for me at the corner of [street] Street .
3 Please bring something to drink . / Don't forget your camera .
> 4 OK , I won't forget . / Sure , I'll bring it .
1:3 I'm nervous about the [event] . / I'm worried about the [event] .
> 3 Just relax and take a deep breath . / 4 I'll come with you .
1:4 I have great news . [first2] is getting married ! / Guess what , [first2] moved to [city] !
> 1:6 Really ? I can't believe it ! / 2:6 What ? When did that happen ?
2 Can you lend me [price] dollars ? / Could I borrow your car [weekday] ?
> 4 Sure , no problem . / 4:5 Sorry , I can't .
1 I heard that it will rain [weekday] . / The tickets are [price] dollars .
> 3 Then let's stay at home . / 1:5 That's too bad .""",
        """
4 I'll call you later . / I'll see you [weekday] .
> 1:4 Great . See you then . / 3 OK , take care .
3 Say hello to [first2] for me . / Drive carefully .
> 4 I will . Good night . / OK , I promise .
1:4 I can't wait ! / It will be so much fun !
> 1:4 Me , too . / 4:4 I'll bring my best mood .""",
    ),
    "apartment": Scene(
        {
            "part": "kitchen|bathroom|balcony|garage|garden",
            "defect": "leaks|is broken|smells|is too small|is dirty",
            "near": "subway|park|school|supermarket|hospital",
        },
        """
1 I saw your ad about the apartment on [street] Street . / I'm calling about the apartment near the [near] .
> 2 Would you like to see it ? / How many people will live there ?
2 Is the apartment on [street] Street still free ? / Do you have an apartment near the [near] ?
> 1 Yes , it is free from May . / 1:5 Sorry , it's not free before May .
3 I'd like to see the apartment on [street] Street . / Please tell me about the apartment .
> 4 Sure . I'll show it to you at [hour] . / 1 It has [number] rooms and a [part] .""",
        """
2 How much is the rent ? / What is the rent per month ?
> 1 It's [price]0 dollars a month . / It's [price]0 dollars with water and heating .
2 Does it have a [part] ? / How big is the [part] ?
> 1 Yes , there is a large [part] . / 1 The [part] is rather small .
2 Is it far from the [near] ? / How far is the [near] ?
> 1 It's only [minutes] minutes on foot . / It takes [minutes] minutes by bus .
1:1 The [part] [defect] . / 1:2 I don't like the [part] . It [defect] .
> 4 I'll have it repaired . / I'll take care of it this week .
2 Can I bring my dog ? / Are pets allowed ?
> 1 No pets , I'm afraid . / 1 Yes , but only small ones .
3 Please turn down the music after [hour] . / Don't smoke in the [part] .
> 4 Of course . I won't do that . / 4:5 I'm sorry . I'll be quiet .
1:4 I love the [part] . / What a beautiful [part] !
> 1:4 I'm glad you like it . / 1 It was painted [number] weeks ago .""",
        """
4:4 I'll take it . / OK , I'll rent it for a year .
> 3 Then please sign here . / 2 When would you like to move in ?
4 I'll think about it and call you . / I'll let you know by [hour] tomorrow .
> 3 Don't wait too long . / 1 All right , but others want it , too .
2 When can I move in ? / Can I get the keys today ?
> 1 You can move in after [minutes] days . / 4 Yes , I'll give them to you now .""",
    ),
    "phone": Scene(
        {
            "task": "order|bill|ticket|contract|repair",
            "matter": "the new prices|our meeting|the delivery|a mistake in the bill|the summer party",
            "product": "laptop|washing machine|bicycle|sofa|camera",
        },
        """
2 Hello , may I speak to [title] [last] ? / Is [title] [last] in , please ?
> 1:5 I'm afraid [title] [last] is in [city] . / 3 One moment , please hold the line .
1 Hello , this is [first] [last] from [city] . / Good morning , [first] [last] speaking .
> 2 How can I help you ? / What can I do for you , [first] ?
1:1 My [product] still hasn't arrived . / The [product] that you sent me is broken .
> 2 What is the number of your [task] ? / 4:5 I'm very sorry . We'll send you a new one .""",
        """
2 What is it about ? / What are you calling about ?
> 1 It's about [matter] . / I have a question about my [task] .
3 Could you leave a message for me ? / Please tell [title] [last] that I called .
> 4 Of course , I'll do that . / Sure , I'll write it down .
2 When will [title] [last] be back ? / When is the best time to call ?
> 1 Around [hour] o'clock . / 3 Try again in [minutes] minutes .
2 What is your phone number ? / How can we reach you ?
> 1 My number is [digits] . / 3 Please call me at [digits] .
2 How much will the [task] cost ? / Do I have to pay for the [task] ?
> 1 It will be [price] dollars . / 1:4 No , it's free .
1:1 I have been waiting for [minutes] minutes ! / This is the second time that I call !
> 4:5 I apologize . I'll help you at once . / 1:5 I'm sorry , it's very busy today .
3 Please send the [product] to [street] Street . / Could you check my [task] again ?
> 4 No problem . I'll do it today . / 4 Certainly . I'll look at it now .""",
        """
1:4 Thanks for your help . / That's very kind of you .
> 1:4 You're welcome . / 3 Have a nice day .
4 I'll call again at [hour] . / I'll send you an e-mail about [matter] .
> 1 Fine , thank you . / 3 Please do that before [hour] .
2 Is there anything else ? / Can I do anything else for you ?
> 1 No , that's all . / 3 Yes , please send me the bill .""",
    ),
}
